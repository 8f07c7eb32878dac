// How the heat map is drawn. Everything here only reads `heat`.

const NOTHING = 255; // no value
const LEVELS = 254;
const NO_VALUE = "no value";

/** The raster as a picture of one dot a cell; cells without a value are clear. */
function pictureOf(raster, palette) {
  const colours = Array.from({ length: LEVELS + 1 }, (_, k) => between(palette, k / LEVELS));
  const [rows, columns] = [raster.ids.length, raster.columns];
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [columns, rows];
  const ctx = canvas.getContext("2d");
  const image = ctx.createImageData(columns, rows);
  raster.values.forEach((level, k) => level !== NOTHING && image.data.set([...colours[level], 255], 4 * k));
  ctx.putImageData(image, 0, 0);
  return canvas;
}

/** The colour at a share of the way along the palette. */
function between(palette, share) {
  const at = share * (palette.length - 1);
  const first = Math.min(Math.floor(at), palette.length - 2);
  const hex = (text, k) => parseInt(text.slice(1 + 2 * k, 3 + 2 * k), 16);
  return [0, 1, 2].map((k) => {
    const [a, b] = [hex(palette[first], k), hex(palette[first + 1], k)];
    return Math.round(a + (at - first) * (b - a));
  });
}

function paintHeat(ctx, heat, plan, look) {
  drawHatch(ctx, plan.left, plan.top, plan.inner, plan.high, look);
  ctx.imageSmoothingEnabled = false;
  ctx.drawImage(heat.image, plan.left, plan.top, plan.inner, plan.high);
  ctx.strokeStyle = look.line;
  ctx.lineWidth = 1;
  ctx.strokeRect(plan.left - 0.5, plan.top - 0.5, plan.inner + 1, plan.high + 1);
  ctx.font = `${LETTERS}px ${look.font}`;
  drawRows(ctx, heat, plan, look);
  drawRuler(ctx, heat, plan, look);
  drawMarks(ctx, heat, plan, look);
  drawCursor(ctx, heat, plan, look);
  drawScale(ctx, heat, plan, look);
}

/** What lies behind cells without a value. */
function drawHatch(ctx, x, y, width, height, look) {
  ctx.save();
  ctx.beginPath();
  ctx.rect(x, y, width, height);
  ctx.clip();
  ctx.beginPath();
  for (let k = -height; k < width; k += 6) {
    ctx.moveTo(x + k, y + height);
    ctx.lineTo(x + k + height, y);
  }
  ctx.strokeStyle = look.line;
  ctx.globalAlpha = 0.6;
  ctx.lineWidth = 1;
  ctx.stroke();
  ctx.restore();
}

function drawRows(ctx, heat, plan, look) {
  const each = plan.high / plan.rows;
  ctx.textAlign = "right";
  ctx.textBaseline = "middle";
  const chosen = heat.raster.ids.indexOf(heat.selected);
  ctx.fillStyle = look.muted;
  if (plan.named)
    heat.raster.words.forEach((words, row) => {
      ctx.fillStyle = row === chosen ? look.ink : look.muted;
      ctx.fillText(fit(ctx, words, plan.left - 12), plan.left - 7, plan.top + (row + 0.5) * each);
    });
  if (chosen < 0) return;
  const y = plan.top + chosen * each;
  // Around the row and not on it: its own colours are what it is selected for.
  for (const [colour, width, gap] of [[look.paper, 1.5, 2.25], [look.ink, 1.5, 1]]) {
    ctx.lineWidth = width;
    ctx.strokeStyle = colour;
    ctx.strokeRect(plan.left - gap, y - gap, plan.inner + 2 * gap, each + 2 * gap);
  }
  ctx.fillStyle = look.ink;
  ctx.font = `600 ${LETTERS}px ${look.font}`;
  const middle = Math.max(plan.top + 7, Math.min(plan.top + plan.high - 7, y + each / 2));
  if (!plan.named) ctx.fillText(String(heat.selected), plan.left - 7, middle);
  ctx.font = `${LETTERS}px ${look.font}`;
}

function drawRuler(ctx, heat, plan, look) {
  const n = heat.steps.length;
  const [y, each] = [plan.top + plan.high, plan.inner / n];
  const stride = [1, 2, 5, 10, 20, 25, 50, 100, 200].find((one) => one * each >= 64) ?? n;
  ctx.fillStyle = look.muted;
  ctx.strokeStyle = look.line;
  ctx.lineWidth = 1;
  ctx.textBaseline = "top";
  ctx.textAlign = "left";
  ctx.beginPath();
  for (let column = 0; column < n; column += stride) {
    const x = plan.left + (column + 0.5) * each;
    const words = `${column ? "" : "step "}${grouped(heat.steps[column])}`;
    const wide = ctx.measureText(words).width;
    ctx.moveTo(x, y);
    ctx.lineTo(x, y + 4);
    ctx.fillText(words, Math.max(plan.left - 20, Math.min(x - wide / 2, plan.width - wide - 2)), y + 7);
  }
  ctx.stroke();
}

/** What happened at single steps: a dotted line through its column, and a wedge at its foot. */
function drawMarks(ctx, heat, plan, look) {
  const foot = plan.top + plan.high;
  for (const [, step] of heat.marks()) {
    const x = Math.round(plan.left + ((heat.columnOf(step) + 0.5) * plan.inner) / heat.steps.length) + 0.5;
    ctx.lineWidth = 1;
    for (const [colour, offset] of [[look.paper, 2], [look.ink, 0]]) {
      ctx.beginPath();
      ctx.strokeStyle = colour;
      ctx.setLineDash([1, 3]);
      ctx.lineDashOffset = offset;
      ctx.moveTo(x, plan.top);
      ctx.lineTo(x, foot);
      ctx.stroke();
    }
    ctx.setLineDash([]);
    ctx.beginPath();
    ctx.moveTo(x, foot);
    ctx.lineTo(x - 4, foot + 6);
    ctx.lineTo(x + 4, foot + 6);
    ctx.closePath();
    ctx.fillStyle = look.ink;
    ctx.fill();
  }
}

function drawCursor(ctx, heat, plan, look) {
  if (!heat.data.moves) return;
  const column = heat.columnOf(heat.shownStep);
  const x = Math.round(plan.left + ((column + 0.5) * plan.inner) / heat.steps.length) + 0.5;
  const [top, foot] = [plan.top - 3, plan.top + plan.high + 3];
  ctx.lineWidth = 1;
  // One line in two colours: it is seen on every ground, and hides one dot of the columns.
  for (const [colour, offset] of [[look.paper, 4], [look.ink, 0]]) {
    ctx.beginPath();
    ctx.strokeStyle = colour;
    ctx.setLineDash([4, 4]);
    ctx.lineDashOffset = offset;
    ctx.moveTo(x, top);
    ctx.lineTo(x, foot);
    ctx.stroke();
  }
  ctx.setLineDash([]);
  // Filled where a person has pinned it, empty where it follows.
  ctx.beginPath();
  ctx.moveTo(x, top);
  ctx.lineTo(x - 5, top - 7);
  ctx.lineTo(x + 5, top - 7);
  ctx.closePath();
  ctx.strokeStyle = look.ink;
  ctx.fillStyle = heat.shownStep === null ? look.paper : look.ink;
  ctx.fill();
  ctx.stroke();
}

function drawScale(ctx, heat, plan, look) {
  const y = plan.top + plan.high + RULER + 8;
  const { low, high, palette } = heat.data;
  ctx.textBaseline = "middle";
  ctx.textAlign = "left";
  ctx.fillStyle = look.ink;
  const none = 24 + ctx.measureText(NO_VALUE).width;
  const room = Math.max(40, (plan.width - none - 130) / 2);
  const [from, to] = [fit(ctx, low, Math.min(room, 180)), fit(ctx, high, Math.min(room, 180))];
  const wide = Math.max(40, Math.min(220, plan.width - none - 40 - ctx.measureText(from).width - ctx.measureText(to).width));
  let x = 4;
  ctx.fillText(from, x, y + 6);
  x += ctx.measureText(from).width + 8;
  const ramp = ctx.createLinearGradient(x, 0, x + wide, 0);
  palette.forEach((colour, k) => ramp.addColorStop(k / (palette.length - 1), colour));
  ctx.fillStyle = ramp;
  ctx.fillRect(x, y, wide, 12);
  ctx.fillStyle = look.ink;
  ctx.fillText(to, x + wide + 8, y + 6);
  x += wide + 24 + ctx.measureText(to).width;
  if (!heat.raster.hasGaps) return;
  drawHatch(ctx, x, y, 14, 12, look);
  ctx.strokeStyle = look.line;
  ctx.strokeRect(x + 0.5, y + 0.5, 13, 11);
  ctx.fillText(NO_VALUE, x + 20, y + 6);
}

function drawCell(ctx, heat, plan, look, [row, column]) {
  const [wide, tall] = [plan.inner / heat.steps.length, plan.high / plan.rows];
  const [w, h] = [Math.max(wide, 7), Math.max(tall, 7)];
  const box = [plan.left + (column + 0.5) * wide - w / 2, plan.top + (row + 0.5) * tall - h / 2, w, h];
  for (const [colour, line] of [[look.paper, 5], [look.accent, 2.5]]) {
    ctx.strokeStyle = colour;
    ctx.lineWidth = line;
    ctx.strokeRect(...box);
  }
}
