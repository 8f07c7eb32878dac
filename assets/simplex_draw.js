// What the simplex player is sent, and how one frame of it is drawn. The drawing only reads the scene.

const SIDE = 28;
const TAIL_SHADES = 4;
const FAINT = 0.7; // how strong all other points are beside the selected one
const MARKS = [["teacher", "teacher now"], ["student", "student now"], ["ghost", "frozen teacher"], ["truth", "truth"],
               ["arrow", "feedback"]]; // prettier-ignore

function decodePart(parcel) {
  if (parcel.kind === "ground") {
    const truth = parcel.truth && wordsOf(parcel.truth);
    const ground = { ...parcel, n: parcel.ids.length, ghosts: wordsOf(parcel.ghosts), truth, bySlot: new Map() };
    parcel.slots.forEach((slot, p) => ground.bySlot.set(slot, [...(ground.bySlot.get(slot) ?? []), p]));
    return ground;
  }
  const split = (text) => {
    const words = text && wordsOf(text);
    const wide = 2 * parcel.points;
    return Array.from({ length: parcel.frames }, (_, f) => words && words.subarray(f * wide, (f + 1) * wide));
  };
  const arrows = split(parcel.arrows);
  const asked = arrows.map((words) => Boolean(words?.some((one) => one !== MISSING))); // whether a frame has any feedback
  return { teacher: split(parcel.teacher), student: split(parcel.student), arrows, asked, reach: Array(parcel.frames).fill(parcel.reach) };
}

/** Where everything stands on a canvas of a width: a map from the unit square to pixels, and the legend. */
function planOf(ctx, ground, look, width) {
  const strip = ground.corners.length === 2;
  const xs = ground.corners.map((one) => one[1]);
  const ys = ground.corners.map((one) => one[2]);
  const [left, right] = [Math.min(...xs), Math.max(...xs)];
  const [low, high] = strip ? [0, 1] : [Math.min(...ys), Math.max(...ys)];
  const beside = width >= 760; // then the legend stands at the right
  const names = ground.corners.length > 4 ? Math.min(100, 0.15 * width) : 0; // room for them at both sides
  const room = (beside ? width - 190 : width) - 2 * SIDE - 2 * names;
  const [spanX, spanY] = [right - left || 1, high - low || 1];
  const sx = strip ? Math.min(room, 900) / spanX : Math.min(room / spanX, 480 / spanY);
  const sy = strip ? Math.min(260, 0.7 * room) : sx;
  const legend = legendOf(ctx, ground, look, width, beside);
  const plotHeight = sy * spanY + 2 * SIDE;
  const extra = Math.max(0, room - sx * spanX);
  const x0 = SIDE + names + extra / 2;
  const height = beside ? Math.max(plotHeight, legend.height + 24) : plotHeight + legend.height;
  const y0 = SIDE + (beside ? (height - plotHeight) / 2 : 0);
  legend.x = beside ? Math.min(width - 190, x0 + sx * spanX + names + 44) : 8;
  legend.y = beside ? 16 : plotHeight;
  return { width, height, strip, names, sx, sy, legend, x: (value) => x0 + (value - left) * sx, y: (value) => y0 + (high - value) * sy };
}

function legendOf(ctx, ground, look, width, beside) {
  ctx.font = `${LETTERS}px ${look.font}`;
  const used = [...new Set(ground.slots)].sort((a, b) => a - b);
  const marks = MARKS.filter(([kind]) => (kind !== "truth" || ground.truth) && (kind !== "arrow" || ground.hasArrows));
  const most = beside ? 160 : Math.max(90, width / 2 - 30);
  const entries = [
    ...used.map((slot) => ({ slot, words: fit(ctx, `label ${ground.legend[slot]}`, most) })),
    ...marks.map(([kind, words]) => ({ kind, words })),
  ];
  let [x, y] = [0, 0];
  for (const one of entries) {
    const wide = 30 + ctx.measureText(one.words).width;
    if (!beside && x && x + wide > width - 16) [x, y] = [0, y + 20];
    Object.assign(one, { x, y });
    [x, y] = beside ? [0, y + 20] : [x + wide, y];
  }
  return { entries, height: entries.length ? y + (beside ? 4 : 26) : 0 };
}

/** The edges, the names of the corners and the legend. */
function drawGround(ctx, ground, plan, look) {
  ctx.strokeStyle = look.line;
  ctx.lineWidth = 1;
  const at = ground.corners.map(([, x, y]) => [plan.x(x), plan.y(y)]);
  ctx.beginPath();
  if (plan.strip) {
    for (const share of [0, 0.5, 1]) {
      const x = Math.round(at[0][0] + share * (at[1][0] - at[0][0])) + 0.5;
      ctx.moveTo(x, plan.y(1));
      ctx.lineTo(x, plan.y(0));
    }
    ctx.moveTo(at[0][0], plan.y(0));
    ctx.lineTo(at[1][0], plan.y(0));
  } else {
    at.forEach(([x, y], k) => (k ? ctx.lineTo(x, y) : ctx.moveTo(x, y)));
    ctx.closePath();
  }
  ctx.stroke();
  if (plan.strip) drawTicks(ctx, plan, look, at);
  drawCorners(ctx, ground, plan, look, at);
  drawLegend(ctx, plan, look, ground);
}

/** The probabilities along a strip, above it: of the class at the right. */
function drawTicks(ctx, plan, look, at) {
  ctx.font = `${LETTERS}px ${look.font}`;
  ctx.fillStyle = look.muted;
  ctx.textBaseline = "bottom";
  [[0, "0"], [0.5, "0.5"], [1, "1"]].forEach(([share, words], k) => {
    ctx.textAlign = ["left", "center", "right"][k];
    ctx.fillText(words, at[0][0] + share * (at[1][0] - at[0][0]), plan.y(1) - 4);
  });
}

function drawCorners(ctx, ground, plan, look, at) {
  ctx.font = `600 ${LETTERS}px ${look.font}`;
  ctx.fillStyle = look.ink;
  const middle = at.reduce((sum, one) => sum + one[0], 0) / at.length;
  const centre = at.reduce((sum, one) => sum + one[1], 0) / at.length;
  const edge = plan.legend.x > 8 ? plan.legend.x - 12 : plan.width;
  ground.corners.forEach(([name], k) => {
    const [x, y] = at[k];
    const below = plan.strip || y > centre + 1;
    const words = fit(ctx, name, plan.names ? plan.names + 18 : at.length > 3 ? 110 : edge / 2 - 12);
    const wide = ctx.measureText(words).width;
    const sided = Math.abs(x - middle) > 20 && !plan.strip && at.length > 4;
    const wanted = plan.strip ? (k ? x - wide : x) : sided ? (x > middle ? x + 8 : x - wide - 8) : x - wide / 2;
    ctx.textAlign = "left";
    ctx.textBaseline = sided ? "middle" : below ? "top" : "bottom";
    const foot = plan.strip ? plan.y(0) + 7 : sided ? y : below ? y + 9 : y - 9;
    ctx.fillText(words, Math.max(4, Math.min(wanted, edge - wide - 4)), foot);
  });
}

function drawLegend(ctx, plan, look, ground) {
  ctx.font = `${LETTERS}px ${look.font}`;
  ctx.textAlign = "left";
  ctx.textBaseline = "middle";
  for (const one of plan.legend.entries) {
    const [x, y] = [plan.legend.x + one.x + 8, plan.legend.y + one.y + 10];
    if (one.kind) drawMark(ctx, one.kind, x, y, look);
    else {
      ctx.fillStyle = colourOf(ground, look, one.slot);
      ctx.fillRect(x - 5.5, y - 5.5, 11, 11);
      ctx.beginPath();
      slotMark(ctx, one.slot, x, y, 3.3);
      ctx.strokeStyle = inkOn(ctx.fillStyle, look.ink, look.paper);
      ctx.lineWidth = 1.5;
      ctx.stroke();
    }
    ctx.fillStyle = look.ink;
    ctx.fillText(one.words, x + 11, y);
  }
}

function colourOf(ground, look, slot) {
  const colours = look.dark ? ground.dark : ground.light;
  return colours[Math.min(slot, colours.length - 1)];
}

/** Places of all points of one role at a frame that may lie between two, in pixels; NaN where there is none. */
function placesAt(frames, at, plan, out) {
  const [first, share] = [Math.floor(at), at - Math.floor(at)];
  const [a, b] = [frames[first], frames[Math.min(first + 1, frames.length - 1)]];
  for (let k = 0; k < a.length; k += 2) {
    const gone = a[k] === MISSING || (share > 0 && b[k] === MISSING);
    out[k] = gone ? NaN : plan.x((a[k] + share * (b[k] - a[k])) / WHOLE);
    out[k + 1] = gone ? NaN : plan.y((a[k + 1] + share * (b[k + 1] - a[k + 1])) / WHOLE);
  }
  return out;
}

/** The tails of the points in a list, of one colour: older pieces are fainter. `ends` are the places now. */
function drawTails(ctx, { frames, points, ends, from, upto, plan, strength }) {
  const each = Math.max(1, Math.ceil((upto - from) / TAIL_SHADES));
  const [x0, xs, y0, ys] = [plan.x(0), plan.sx / WHOLE, plan.y(0), plan.sy / WHOLE];
  for (let start = from; start < upto || start === from; start += each) {
    const stop = Math.min(start + each, upto);
    ctx.beginPath();
    for (const p of points) {
      let [px, py, pen] = [0, 0, false];
      for (let f = start; f <= stop; f++) {
        const u = frames[f][2 * p];
        if (u === MISSING) { pen = false; continue; } // prettier-ignore
        const [x, y] = [x0 + u * xs, y0 - frames[f][2 * p + 1] * ys];
        // Pieces shorter than half a pixel cost as much as long ones and cannot be seen.
        if (pen && f < stop && Math.abs(x - px) + Math.abs(y - py) < 0.75) continue;
        if (pen) ctx.lineTo(x, y);
        else ctx.moveTo(x, y);
        [px, py, pen] = [x, y, true];
      }
      if (stop === upto && pen && !Number.isNaN(ends[2 * p])) ctx.lineTo(ends[2 * p], ends[2 * p + 1]);
    }
    ctx.globalAlpha = strength * (0.25 + (0.75 * (stop - from)) / Math.max(1, upto - from));
    ctx.stroke();
    if (stop >= upto) break;
  }
  ctx.globalAlpha = 1;
}

/** Everything that moves. `scene` has ground, frames, at, chosen, options; returns the places for finding points. */
function drawPoints(ctx, scene, plan, look) {
  const { ground, frames, at, chosen, options } = scene;
  const upto = Math.floor(at);
  const from = options.tails === "all" ? 0 : Math.max(0, upto - Number(options.tails));
  const roles = ["teacher", "student"].filter((role) => options.roles === "both" || options.roles === role);
  for (const role of roles) placesAt(frames[role], at, plan, scene.places[role]);
  const faint = chosen >= 0 ? FAINT : 1;
  if (options.ghosts) drawGhosts(ctx, ground, plan, look);
  for (const [slot, points] of ground.bySlot) {
    ctx.strokeStyle = ctx.fillStyle = colourOf(ground, look, slot);
    for (const role of roles) {
      ctx.lineWidth = 1;
      const tail = { frames: frames[role], points, ends: scene.places[role], from, upto, plan, strength: 0.5 * faint };
      if (options.tails !== "0") drawTails(ctx, tail);
    }
  }
  // Feedback is about the teacher's soft targets: where they are not shown it has no place.
  const arrows = options.arrows && frames.arrows && roles[0] === "teacher";
  if (arrows) drawArrows(ctx, scene, plan, look);
  for (const [slot, points] of ground.bySlot) for (const role of roles) drawMarks(ctx, scene, role, slot, points, look, faint);
  if (options.truths && ground.truth) for (let p = 0; p < ground.n; p++) drawTruth(ctx, ground, plan, look, p, 4.5);
  if (chosen >= 0) drawChosen(ctx, scene, plan, look, roles, arrows, from, upto);
  return roles;
}

/** The selected example, in front of all others: its tails, its frozen place, the truth, its feedback and a ring. */
function drawChosen(ctx, scene, plan, look, roles, arrows, from, upto) {
  const { ground, chosen: p, options, frames } = scene;
  const colour = colourOf(ground, look, ground.slots[p]);
  ctx.strokeStyle = colour;
  ctx.lineWidth = 2.2;
  for (const role of roles) {
    const tail = { frames: frames[role], points: [p], ends: scene.places[role], from, upto, plan, strength: 1 };
    if (options.tails !== "0") drawTails(ctx, tail);
  }
  ctx.save();
  ctx.strokeStyle = look.ink;
  ctx.lineWidth = 1.8;
  ctx.beginPath();
  ghost(ctx, plan.x(ground.ghosts[2 * p] / WHOLE), plan.y(ground.ghosts[2 * p + 1] / WHOLE), 6.5);
  ctx.stroke();
  ctx.restore();
  if (ground.truth) drawTruth(ctx, ground, plan, look, p, 8);
  if (arrows) {
    ctx.strokeStyle = look.ink;
    ctx.lineWidth = 2.2;
    ctx.beginPath();
    pointArrow(ctx, scene, plan, p, 8);
    ctx.stroke();
  }
  for (const role of roles) drawMarks(ctx, scene, role, ground.slots[p], [p], look, 1, 1.5);
  ctx.strokeStyle = look.ink;
  ctx.lineWidth = 2;
  ctx.beginPath();
  for (const role of roles) {
    const [x, y] = [scene.places[role][2 * p], scene.places[role][2 * p + 1]];
    if (Number.isNaN(x)) continue;
    ctx.moveTo(x + 10, y);
    ctx.arc(x, y, 10, 0, 2 * Math.PI);
  }
  ctx.stroke();
}

