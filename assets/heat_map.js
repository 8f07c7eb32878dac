// The heat map: examples x steps, one raster drawn at once. State lives in one Heat on the root element; Streamlit calls
// the function at the end of this file again for each change of data.

const TOP = 12;
const RULER = 30;
const SCALE = 40;

function decodeRaster(parcel) {
  const values = bytesOf(parcel.values);
  return { ...parcel, values, hasGaps: values.includes(NOTHING) };
}

class Heat {
  constructor(root) {
    this.root = root;
    for (const name of ["stage", "picture", "tip", "where", "save"]) this[name] = root.querySelector(`.${name}`);
    this.status = root.querySelector("[role=status]");
    this.parcels = new Parcels(decodeRaster);
    this.cell = null; // the keys' own cursor: { example, step }, for while a run goes on rows and columns change places
    this.selected = this.step = null;
    this.exampleWish = new Wish((example) => ((this.selected = example), this.refresh()));
    this.stepWish = new Wish((step) => ((this.step = step), this.refresh()));
    this.refresh = oncePerFrame(() => this.draw());
    this.onHeld = () => this.take();
    globalThis.addEventListener("ikd-held", this.onHeld);
    this.played = null; // the step that the player of the same run shows while it plays
    this.onStep = ({ detail }) => {
      if (!this.data?.moves || detail.run !== this.data.run) return;
      this.played = detail.step;
      this.refresh();
    };
    globalThis.addEventListener("ikd-step", this.onStep);
    this.watch = new ResizeObserver(() => this.refresh());
    this.watch.observe(this.stage);
    this.picture.onclick = (event) => this.pick(this.cellAt(event));
    this.picture.onpointermove = (event) => this.hover(event);
    this.picture.onpointerleave = () => this.hover(null);
    this.picture.onkeydown = (event) => this.key(event);
    this.picture.onblur = () => ((this.cell = null), showTip(this.tip, this.stage, null), this.refresh());
    this.save.onclick = () => this.savePNG();
  }

  end() {
    this.watch.disconnect();
    globalThis.removeEventListener("ikd-held", this.onHeld);
    globalThis.removeEventListener("ikd-step", this.onStep);
  }

  /** The step that the line stands at; null while it follows the newest reading. */
  get shownStep() {
    return this.played ?? this.step;
  }

  hear(data, component) {
    this.send = component.setTriggerValue;
    this.data = data;
    this.picture.setAttribute("aria-label", data.spoken);
    this.exampleWish.hear(data.selected);
    this.stepWish.hear(data.step);
    this.take();
  }

  take() {
    const [raster] = (this.data && this.parcels.get([this.data.raster])) ?? [];
    if (raster && (raster !== this.raster || this.palette !== this.data.palette.join())) {
      this.palette = this.data.palette.join();
      this.raster = raster;
      this.image = pictureOf(raster, this.data.palette);
      this.steps = raster.steps;
      this.renewed = true;
    }
    this.refresh();
  }

  get rows() {
    return this.raster.ids.length;
  }

  /** The example and the step of a place in the raster, or of the nearest one inside it. */
  cellOf(row, column) {
    const inside = (at, n) => Math.max(0, Math.min(n - 1, at));
    return { example: this.raster.ids[inside(row, this.rows)], step: this.steps[inside(column, this.steps.length)] };
  }

  /** The [row, column] of an example and a step as the raster is now; null where it has no such row. */
  placeOf(cell) {
    const row = cell ? this.raster.ids.indexOf(cell.example) : -1;
    return row < 0 ? null : [row, this.columnOf(cell.step)];
  }

  /** The column of a step: its bin is the first that ends no earlier; the last one while following. */
  columnOf(step) {
    const found = step === null ? -1 : this.steps.findIndex((end) => end >= step);
    return found < 0 ? this.steps.length - 1 : found;
  }

  /** The marks within the columns there are, as [words, step]. */
  marks() {
    return (this.data.marks ?? []).filter(([, step]) => step <= this.steps.at(-1));
  }

  plan(width) {
    const rows = this.rows;
    // Every row has a whole number of pixels, so that none is lost.
    const high = Math.max(80, rows * Math.max(1, Math.min(20, Math.floor(400 / rows))));
    const named = high / rows >= 13;
    const left = named ? Math.min(150, Math.round(0.3 * width)) : 44;
    return { width, rows, named, left, top: TOP, inner: width - left - 10, high, height: TOP + high + RULER + SCALE };
  }

  draw() {
    const width = this.stage.clientWidth;
    if (!this.data || !width) return;
    this.save.disabled = !this.raster;
    this.where.textContent = this.raster ? this.cursorWords() : "The values are on their way.";
    if (!this.raster) return;
    const look = lookOf(this.root);
    const plan = (this.at = this.plan(width));
    this.picture.style.height = `${plan.height}px`;
    const ctx = sharpen(this.picture, width, plan.height);
    ctx.fillStyle = look.paper;
    ctx.fillRect(0, 0, width, plan.height);
    const started = performance.now();
    paintHeat(ctx, this, plan, look);
    if (this.renewed && !this.tip.hidden) this.retip();
    this.renewed = false;
    const place = this.placeOf(this.cell);
    if (place && this.root.getRootNode().activeElement === this.picture) drawCell(ctx, this, plan, look, place);
    this.root.dataset.drawMs = (performance.now() - started).toFixed(2);
  }

  markLines() {
    const said = this.marks().map(([words, step]) => `${words} (step ${grouped(step)})`);
    return said.length ? [`Marks: ${said.join(", ")}.`] : [];
  }

  cursorWords() {
    const example = this.selected === null ? "No example selected" : `Example ${this.selected}`;
    if (!this.data.moves) return example;
    const step = this.steps[this.columnOf(this.shownStep)];
    if (this.played !== null) return `${example}; step ${grouped(this.played)}, as the player has it`;
    return `${example}; ${this.step === null ? `following, step ${grouped(step)}` : `pinned at step ${grouped(this.step)}`}`;
  }

  cellAt(event) {
    if (!this.at) return null;
    const box = this.picture.getBoundingClientRect();
    const column = Math.floor(((event.clientX - box.left - this.at.left) / this.at.inner) * this.steps.length);
    const row = Math.floor(((event.clientY - box.top - this.at.top) / this.at.high) * this.rows);
    return row >= 0 && row < this.rows && column >= 0 && column < this.steps.length ? [row, column] : null;
  }

  wordsOf([row, column]) {
    const level = this.raster.values[row * this.steps.length + column];
    const [low, high] = this.data.span;
    const value = level === NOTHING ? "no value" : Number((low + (level / LEVELS) * (high - low)).toPrecision(3));
    const marks = this.marks().filter(([, step]) => this.columnOf(step) === column).map(([words]) => `\n${words}`); // prettier-ignore
    return `Example ${this.raster.ids[row]} at step ${grouped(this.steps[column])}\n${this.data.what}: ${value}\n${this.raster.words[row]}${marks.join("")}`;
  }

  hover(event) {
    this.pointer = event;
    const cell = event && this.cellAt(event);
    const box = this.picture.getBoundingClientRect();
    showTip(this.tip, this.stage, cell && [event.clientX - box.left, event.clientY - box.top], cell && this.wordsOf(cell));
    this.picture.style.cursor = cell ? "crosshair" : "default";
  }

  pick(place) {
    if (!place) return;
    this.cell = this.cellOf(...place);
    this.selected = this.cell.example;
    if (this.data.moves) [this.step, this.played] = [this.cell.step, null];
    // One message for both, so that no run sees one of them alone.
    let news = false;
    this.exampleWish.ask(this.selected, () => (news = true));
    if (this.data.moves) this.stepWish.ask(this.step, () => (news = true));
    if (news) this.send("cell", { example: this.selected, step: this.cell.step });
    this.status.textContent = this.wordsOf(place);
    this.refresh();
  }

  key(event) {
    if (!this.raster || event.ctrlKey || event.metaKey || event.altKey) return;
    const start = [Math.max(0, this.raster.ids.indexOf(this.selected)), this.columnOf(this.shownStep)];
    const [row, column] = this.placeOf(this.cell) ?? start;
    const moves = { ArrowLeft: [row, column - 1], ArrowRight: [row, column + 1], ArrowUp: [row - 1, column], ArrowDown: [row + 1, column],
                    Home: [row, 0], End: [row, Infinity], PageUp: [row - 10, column], PageDown: [row + 10, column] }; // prettier-ignore
    if (event.key === "Enter") this.pick([row, column]);
    else if (moves[event.key]) this.cell = this.cellOf(...moves[event.key]);
    else return;
    event.preventDefault();
    event.stopPropagation();
    this.status.textContent = this.wordsOf(this.placeOf(this.cell));
    this.tipAtCell();
    this.refresh();
  }

  /** Say again what is at the tip's place: rows may have changed places under it. */
  retip() {
    if (this.pointer) this.hover(this.pointer);
    else if (this.placeOf(this.cell)) this.tipAtCell();
    else this.hover(null);
  }

  tipAtCell() {
    if (!this.at) return;
    this.pointer = null;
    const [row, column] = this.placeOf(this.cell);
    const x = this.at.left + ((column + 0.5) * this.at.inner) / this.steps.length;
    showTip(this.tip, this.stage, [x, this.at.top + ((row + 0.5) * this.at.high) / this.rows], this.wordsOf([row, column]));
  }

  savePNG() {
    const look = lookOf(this.root);
    savePicture({
      width: this.at.width, height: this.at.height, look, run: this.data.run,
      name: this.data.moves ? `heat-map-step-${this.steps[this.columnOf(this.shownStep)]}` : `course-log-step-${this.steps.at(-1)}`,
      lines: [this.data.shown, `Colour: ${this.data.what}. ${this.cursorWords()}.`, ...this.markLines()],
      paint: (ctx) => paintHeat(ctx, this, this.at, look),
    }); // prettier-ignore
  }
}

export default function (component) {
  return viewOf(component, ".heat", (root) => new Heat(root));
}
