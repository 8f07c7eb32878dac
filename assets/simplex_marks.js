// The shapes of the simplex player: each role has a shape of its own, so that colour never stands alone.

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
