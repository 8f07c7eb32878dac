// The simplex player: how soft targets move. State lives in one Player on the root element; Streamlit calls the function
// at the end of this file again for each change of data.

const FRAMES_PER_SECOND = 8;
const REACH_PIXELS = 14;

class Player {
  constructor(root) {
    this.root = root;
    const find = (name) => root.querySelector(`.${name}`);
    for (const name of ["stage", "picture", "tip", "play", "back", "scrub", "forth", "latest", "where", "save", "arrows"])
      this[name] = find(name);
    this.status = root.querySelector("[role=status]");
    this.parcels = new Parcels(decodePart);
    this.pinned = null; // a step, or null while following
    this.at = 0; // the frame drawn, between two of them while playing
    this.playing = false;
    this.selected = null;
    this.hovered = -1;
    this.stepWish = new Wish((step) => this.obeyStep(step));
    this.exampleWish = new Wish((example) => ((this.selected = example), this.refresh()));
    this.refresh = oncePerFrame(() => this.draw());
    this.onHeld = () => this.take();
    globalThis.addEventListener("ikd-held", this.onHeld);
    this.watch = new ResizeObserver(() => this.refresh());
    this.watch.observe(this.stage);
    this.listen(find);
  }

  end() {
    this.playing = false;
    this.watch.disconnect();
    clearTimeout(this.rest);
    globalThis.removeEventListener("ikd-held", this.onHeld);
  }

  listen(find) {
    this.play.onclick = () => this.toggle();
    this.back.onclick = () => this.move(-1);
    this.forth.onclick = () => this.move(1);
    this.latest.onclick = () => (this.follow(), this.picture.focus({ preventScroll: true }));
    this.save.onclick = () => this.savePNG();
    this.scrub.oninput = () => this.moveTo(Number(this.scrub.value));
    this.scrub.onchange = () => this.tellStep();
    for (const name of ["speed", "roles", "tails", "arrows", "ghosts", "truths"]) find(name).onchange = () => this.refresh();
    this.picture.onclick = (event) => this.pick(this.nearest(event));
    this.picture.onpointermove = (event) => this.hover(event);
    this.picture.onpointerleave = () => this.hover(null);
    this.picture.onkeydown = (event) => this.key(event);
  }

  /** New data from the server. */
  hear(data, component) {
    this.send = component.setTriggerValue;
    this.data = data;
    this.picture.setAttribute("aria-label", data.spoken);
    this.take();
  }

  /** Put the parcels together, once all of them are here; until then the frames shown before stay. */
  take() {
    if (!this.data) return;
    const parts = this.parcels.get([this.data.ground, ...this.data.parts]);
    if (!parts) return this.refresh();
    const [ground, ...rest] = parts;
    this.ground = { ...ground, hasArrows: rest.some((one) => one.arrows[0]) };
    const all = (name) => rest.flatMap((one) => one[name]);
    const arrows = this.ground.hasArrows ? all("arrows") : null;
    this.frames = { teacher: all("teacher"), student: all("student"), arrows, asked: all("asked"), reach: all("reach") };
    this.places = { teacher: new Float32Array(2 * ground.n), student: new Float32Array(2 * ground.n) };
    this.steps = this.data.steps;
    if (this.playing) this.at = Math.min(this.at, this.last);
    else this.at = this.frameOf(this.pinned);
    this.exampleWish.hear(this.data.selected);
    this.stepWish.hear(this.data.step);
    this.refresh();
  }

  get last() {
    return this.steps.length - 1;
  }

  get chosen() {
    return this.selected === null ? -1 : this.ground.ids.indexOf(this.selected);
  }

  /** The frame of a step: the newest reading that is no later. */
  frameOf(step) {
    if (step === null) return this.last;
    let found = 0;
    while (found < this.last && this.steps[found + 1] <= step) found += 1;
    return found;
  }

  obeyStep(step) {
    this.playing = false;
    this.pinned = step;
    this.at = this.frameOf(step);
    this.refresh();
  }

  /** Show a frame, and tell the server after a rest. */
  moveTo(frame) {
    if (!this.steps) return;
    this.playing = false;
    this.at = Math.max(0, Math.min(this.last, frame));
    this.pinned = this.steps[this.at];
    clearTimeout(this.rest);
    this.rest = setTimeout(() => this.tellStep(), REST_MS);
    this.refresh();
  }

  move(by) {
    if (!this.steps) return;
    this.moveTo(by < 0 ? Math.ceil(this.at) - 1 : Math.floor(this.at) + 1);
    this.status.textContent = `Step ${this.pinned}`;
  }

  tellStep() {
    clearTimeout(this.rest);
    if (this.pinned !== null) this.stepWish.ask(this.pinned, (step) => this.send("cursor", { step }));
  }

  follow() {
    clearTimeout(this.rest);
    this.playing = false;
    this.pinned = null;
    this.at = this.last;
    this.stepWish.ask(null, () => this.send("cursor", { follow: true }));
    this.refresh();
  }

  toggle() {
    if (!this.steps) return;
    if (this.playing) return this.pause();
    if (this.at >= this.last) this.at = 0;
    this.playing = true;
    clearTimeout(this.rest);
    let before = null;
    const tick = (now) => {
      if (!this.playing || !this.root.isConnected) return;
      before ??= now; // a frame of the screen can have begun before the click
      this.at += ((now - before) / 1000) * FRAMES_PER_SECOND * Number(this.option("speed"));
      before = now;
      this.pinned = this.steps[Math.min(Math.floor(this.at), this.last)];
      if (this.at >= this.last) this.pause();
      else requestAnimationFrame(tick);
      this.draw();
    };
    requestAnimationFrame(tick);
    this.refresh();
  }

  pause() {
    this.playing = false;
    this.at = Math.min(Math.floor(this.at), this.last);
    this.pinned = this.steps[this.at];
    this.tellStep();
    this.refresh();
  }

  pick(point) {
    if (point < 0) return;
    this.selected = this.ground.ids[point];
    this.exampleWish.ask(this.selected, (example) => this.send("example", example));
    this.status.textContent = this.wordsOf(point);
    this.refresh();
  }

  wordsOf(point) {
    return pointWords(this.ground, this.frames, Math.floor(this.at), point);
  }

  option(name) {
    return this.root.querySelector(`.${name} input:checked`).value;
  }

  /** The point nearest to the pointer, -1 where none is near. */
  nearest(event) {
    if (!this.shownRoles) return -1;
    const box = this.picture.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    let [found, least] = [-1, REACH_PIXELS];
    for (const role of this.shownRoles)
      for (let p = 0; p < this.ground.n; p++) {
        const far = Math.hypot(this.places[role][2 * p] - x, this.places[role][2 * p + 1] - y);
        if (far < least) [found, least] = [p, far];
      }
    return found;
  }

  hover(event) {
    const found = event ? this.nearest(event) : -1;
    this.hovered = found;
    const box = this.picture.getBoundingClientRect();
    showTip(this.tip, this.stage, found < 0 ? null : [event.clientX - box.left, event.clientY - box.top],
            found < 0 ? "" : this.wordsOf(found)); // prettier-ignore
    this.picture.style.cursor = found < 0 ? "default" : "pointer";
  }

  key(event) {
    if (!this.steps || event.ctrlKey || event.metaKey || event.altKey) return;
    const beside = (by) => this.pick(neighbour(this.ground, this.data.order, this.selected, by));
    const acts = { ArrowLeft: () => this.move(-1), ArrowRight: () => this.move(1), Home: () => this.moveTo(0),
                   End: () => this.moveTo(this.last), " ": () => event.repeat || this.toggle(), n: () => beside(1), p: () => beside(-1) }; // prettier-ignore
    const act = acts[event.key.length > 1 ? event.key : event.key.toLowerCase()];
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }

  scene() {
    const options = { arrows: this.arrows.checked, ghosts: this.root.querySelector(".ghosts").checked };
    options.truths = this.root.querySelector(".truths").checked;
    for (const name of ["roles", "tails"]) options[name] = this.option(name);
    // Who asks for little motion sees whole readings, without the way between them.
    const at = matchMedia("(prefers-reduced-motion: reduce)").matches ? Math.floor(this.at) : this.at;
    const { ground, frames, places, chosen, data } = this;
    return { ground, frames, places, at: Math.min(at, this.last), chosen, options, arrows: data.arrows };
  }

  draw() {
    const width = this.stage.clientWidth;
    if (!this.data || !width) return;
    this.words();
    if (!this.steps) return;
    const look = lookOf(this.root);
    const plan = planOf(this.picture.getContext("2d"), this.ground, look, width);
    this.picture.style.height = `${plan.height}px`;
    const ctx = sharpen(this.picture, width, plan.height);
    ctx.fillStyle = look.paper;
    ctx.fillRect(0, 0, width, plan.height);
    const started = performance.now();
    drawGround(ctx, this.ground, plan, look);
    this.shownRoles = drawPoints(ctx, this.scene(), plan, look);
    this.root.dataset.drawMs = (performance.now() - started).toFixed(2);
    this.plan = plan;
  }

  /** The controls, as they stand now. */
  words() {
    const there = Boolean(this.steps);
    for (const one of [this.play, this.back, this.forth, this.scrub, this.save]) one.disabled = !there;
    if (!there) return void (this.where.textContent = "The readings are on their way.");
    const frame = Math.floor(this.at);
    const shown = this.steps[frame];
    this.play.textContent = this.playing ? "Pause" : "Play";
    this.play.setAttribute("aria-label", this.playing ? "Pause" : "Play");
    this.scrub.max = this.last;
    this.scrub.value = frame;
    this.scrub.style.setProperty("--done", `${(100 * frame) / Math.max(1, this.last)}%`);
    this.scrub.setAttribute("aria-valuetext", `step ${shown}`);
    this.latest.hidden = this.pinned === null;
    this.arrows.disabled = !this.ground.hasArrows || this.option("roles") === "student";
    this.where.textContent = [cursorWords(this, shown), ...remarks(this, frame)].join(" · ");
    this.root.dataset.step = shown;
    this.tellOthers(shown);
  }

  /** Let the other pictures of this page show the step while it plays or is scrubbed: no server is asked for that. */
  tellOthers(shown) {
    const own = this.playing || (this.pinned !== null && this.pinned !== this.data.step);
    const step = own ? shown : null;
    if (step === this.told) return;
    this.told = step;
    globalThis.dispatchEvent(new CustomEvent("ikd-step", { detail: { run: this.data.run, step } }));
  }

  savePNG() {
    const look = lookOf(this.root);
    const { plan } = this;
    const frame = Math.floor(this.at);
    const chosen = this.chosen < 0 ? "" : this.wordsOf(this.chosen).split("\n").slice(0, 2).join(", ");
    savePicture({
      width: plan.width, height: plan.height, look, run: this.data.run, name: `soft-targets-step-${this.steps[frame]}`,
      lines: [this.data.shown, [`Step ${grouped(this.steps[frame])}`, ...remarks(this, frame)].join(" · "), chosen],
      paint: (ctx) => (drawGround(ctx, this.ground, plan, look), drawPoints(ctx, this.scene(), plan, look)),
    }); // prettier-ignore
  }
}

export default function (component) {
  return viewOf(component, ".player", (root) => new Player(root));
}
