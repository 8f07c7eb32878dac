// What the simplex player says in words. Everything here only reads.

/** The words of a point: number, label, text, and what both models say of it where the plane tells it. */
function pointWords(ground, frames, frame, point) {
  const lines = [`Example ${ground.ids[point]}`, `label ${ground.legend[ground.slots[point]]}`];
  if (ground.texts?.[point]) lines.push(ground.texts[point]);
  for (const role of ["teacher", "student"]) {
    const at = frames[role][frame];
    const shares = at[2 * point] === MISSING ? null : sharesAt(ground, at[2 * point] / WHOLE, at[2 * point + 1] / WHOLE);
    if (shares) lines.push(`${role}: ${shares.map((one, k) => `${ground.corners[k][0]} ${one.toFixed(2)}`).join(", ")}`);
  }
  return lines.join("\n");
}

/** The probabilities that stand at a place of a strip or a triangle; in other planes a place has many. */
function sharesAt({ corners }, x, y) {
  if (corners.length === 2) return [1 - x, x];
  if (corners.length !== 3) return null;
  const [[, x0, y0], [, x1, y1], [, x2, y2]] = corners;
  const whole = (y1 - y2) * (x0 - x2) + (x2 - x1) * (y0 - y2);
  const first = ((y1 - y2) * (x - x2) + (x2 - x1) * (y - y2)) / whole;
  const second = ((y2 - y0) * (x - x2) + (x0 - x2) * (y - y2)) / whole;
  return [first, second, 1 - first - second].map((one) => Math.max(0, one));
}

/** The point before or after the selected example in the order of the page, else by number. */
function neighbour(ground, order, selected, by) {
  const places = new Map(ground.ids.map((id, p) => [id, p]));
  const ids = order?.length ? order.filter((id) => places.has(id)) : ground.ids;
  const at = ids.indexOf(selected);
  return places.get(ids[(Math.max(at, by > 0 ? -1 : 0) + by + ids.length) % ids.length]);
}

function cursorWords({ data, playing, pinned, steps, last }, shown) {
  if (playing) return `Playing: step ${grouped(shown)} of ${grouped(steps[last])}`;
  if (pinned === null) return `Following the newest reading: step ${grouped(shown)}`;
  const reading = shown === pinned ? "" : ` (reading of step ${grouped(shown)})`;
  return `Pinned at step ${grouped(pinned)}${reading}; the latest is ${grouped(data.latest)}`;
}

/** What else is to be known of the frame. */
function remarks({ data, arrows, playing, frames }, frame) {
  const found = data.every > 1 ? [`a frame every ~${grouped(data.every)} steps`] : [];
  // Not while it plays: exams come and go with every frame, and the words would flicker.
  const wanted = arrows.checked && !arrows.disabled && !playing;
  return wanted && !frames.asked[frame] ? [...found, "no exam at this reading, so no arrows"] : found;
}
