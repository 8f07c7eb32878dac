// The shapes of the simplex player: each role has a shape of its own and each label an inner mark, so that colour never
// stands alone.

const TRUTH_COLOUR = "#E69F00";

function drawMark(ctx, kind, x, y, look) {
  ctx.save();
  ctx.lineWidth = 1.5;
  ctx.strokeStyle = ctx.fillStyle = look.muted;
  ctx.beginPath();
  if (kind === "teacher") ctx.arc(x, y, 4.5, 0, 7);
  if (kind === "student") diamond(ctx, x, y, 5.5);
  if (kind === "ghost") ghost(ctx, x, y, 5);
  if (kind === "truth") star(ctx, x, y, 6.5, look);
  else if (kind === "arrow") arrow(ctx, x - 6, y, x + 7, y, 5);
  if (kind === "teacher") ctx.fill();
  else if (kind !== "truth") ctx.stroke();
  ctx.restore();
}

function diamond(ctx, x, y, r) {
  ctx.moveTo(x, y - r);
  ctx.lineTo(x + r, y);
  ctx.lineTo(x, y + r);
  ctx.lineTo(x - r, y);
  ctx.closePath();
}

function ghost(ctx, x, y, r) {
  ctx.setLineDash([2, 2]);
  ctx.moveTo(x + r, y);
  ctx.arc(x, y, r, 0, 2 * Math.PI);
}

function star(ctx, x, y, r, look) {
  ctx.beginPath();
  for (let k = 0; k < 10; k++) {
    const [far, turn] = [k % 2 ? 0.42 * r : r, (k * Math.PI) / 5];
    ctx.lineTo(x + far * Math.sin(turn), y - far * Math.cos(turn));
  }
  ctx.closePath();
  ctx.fillStyle = TRUTH_COLOUR;
  ctx.fill();
  ctx.lineWidth = 0.8;
  ctx.strokeStyle = look.ink;
  ctx.stroke();
}

function arrow(ctx, x0, y0, x1, y1, head) {
  const length = Math.hypot(x1 - x0, y1 - y0);
  if (length < 1.5) return;
  const [ux, uy] = [(x1 - x0) / length, (y1 - y0) / length];
  const size = Math.min(head, 0.6 * length);
  ctx.moveTo(x0, y0);
  ctx.lineTo(x1, y1);
  ctx.moveTo(x1 - size * (ux + 0.6 * uy), y1 - size * (uy - 0.6 * ux));
  ctx.lineTo(x1, y1);
  ctx.lineTo(x1 - size * (ux - 0.6 * uy), y1 - size * (uy + 0.6 * ux));
}

/**
 * The inner mark of a label's slot, as a path to stroke; `r` is the room for it. Slot 0 has none; the rest slot, which is of
 * all other labels, and those after it share the ring, as they share the colour.
 */
function slotMark(ctx, slot, x, y, r) {
  const line = (dx, dy) => (ctx.moveTo(x - dx, y - dy), ctx.lineTo(x + dx, y + dy));
  const d = 0.71 * r;
  if (slot === 1) ctx.moveTo(x + 0.3 * r, y), ctx.arc(x, y, 0.3 * r, 0, 7);
  else if (slot === 2) line(r, 0);
  else if (slot === 3) line(0, r);
  else if (slot === 4) line(r, 0), line(0, r);
  else if (slot === 5) line(d, d), line(d, -d);
  else if (slot > 5) ctx.moveTo(x + d, y), ctx.arc(x, y, d, 0, 7);
}

/**
 * The points of a label in one role. Each is drawn as a whole and covers what is behind it, or a crowd of inner marks would
 * be a tangle: so faint ones have a paler colour, and let nothing through.
 */
function drawMarks(ctx, scene, role, slot, points, look, strength, grown = 0) {
  const r = (scene.ground.n > 150 ? 4 : 5.5) + grown;
  const strong = colourOf(scene.ground, look, slot);
  const colour = mixed(strong, look.paper, strength);
  const onColour = mixed(inkOn(strong, look.ink, look.paper), look.paper, strength);
  const [student, places] = [role === "student", scene.places[role]];
  const [edge, face, inner] = student ? [colour, look.paper, colour] : [look.paper, colour, onColour];
  for (const p of points) {
    const [x, y] = [places[2 * p], places[2 * p + 1]];
    if (Number.isNaN(x)) continue;
    ctx.beginPath();
    if (student) diamond(ctx, x, y, r + 0.5);
    else ctx.arc(x, y, r, 0, 7);
    ctx.fillStyle = face;
    ctx.fill();
    ctx.strokeStyle = edge;
    ctx.lineWidth = student ? 1.5 : 0.8;
    ctx.stroke();
    if (!slot) continue;
    ctx.beginPath();
    slotMark(ctx, slot, x, y, (student ? 0.55 : 0.6) * r);
    ctx.strokeStyle = inner;
    ctx.lineWidth = 0.3 * r;
    ctx.stroke();
  }
}

function drawGhosts(ctx, ground, plan, look) {
  ctx.save();
  ctx.globalAlpha = ground.n > 150 ? 0.35 : 0.5;
  ctx.strokeStyle = look.muted;
  ctx.lineWidth = 1;
  ctx.beginPath();
  const r = ground.n > 150 ? 3 : 4;
  for (let p = 0; p < ground.n; p++) ghost(ctx, plan.x(ground.ghosts[2 * p] / WHOLE), plan.y(ground.ghosts[2 * p + 1] / WHOLE), r);
  ctx.stroke();
  ctx.restore();
}

function drawTruth(ctx, ground, plan, look, p, r) {
  if (ground.truth[2 * p] === MISSING) return;
  star(ctx, plan.x(ground.truth[2 * p] / WHOLE), plan.y(ground.truth[2 * p + 1] / WHOLE), r, look);
}

/** One arrow of feedback from a teacher's place: the displacement by the run's one factor, and no longer than the longest. */
function pointArrow(ctx, scene, plan, p, head) {
  const now = Math.floor(scene.at);
  const [move, reach] = [scene.frames.arrows[now], scene.frames.reach[now]];
  const [x, y] = [scene.places.teacher[2 * p], scene.places.teacher[2 * p + 1]];
  if (!move || move[2 * p] === MISSING || Number.isNaN(x)) return;
  const dx = ((2 * move[2 * p]) / WHOLE - 1) * reach;
  const dy = ((2 * move[2 * p + 1]) / WHOLE - 1) * reach;
  const factor = Math.min(scene.arrows.scale, scene.arrows.longest / (Math.hypot(dx, dy) || 1));
  arrow(ctx, x, y, x + factor * dx * plan.sx, y - factor * dy * plan.sy, head);
}

function drawArrows(ctx, scene, plan, look) {
  ctx.globalAlpha = (scene.chosen >= 0 ? 0.6 : 1) * (scene.ground.n > 150 ? 0.35 : 0.55);
  ctx.strokeStyle = look.ink;
  ctx.lineWidth = 1;
  ctx.beginPath();
  for (let p = 0; p < scene.ground.n; p++) pointArrow(ctx, scene, plan, p, 5);
  ctx.stroke();
  ctx.globalAlpha = 1;
}
