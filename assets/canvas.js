// What the lab's canvases share. It is put before the script of each of them; nothing is fetched.

const MISSING = 65535; // of 16 bits: no place
const WHOLE = 65534; // of 16 bits: 1.0
const PATIENCE_MS = 4000;
const REST_MS = 250;
const LETTERS = 13; // pixels high: to be read from the last row

const bytesOf = (text) => Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
const wordsOf = (text) => {
  const bytes = bytesOf(text); // little end first, as every browser's own arrays
  return new Uint16Array(bytes.buffer);
};

/** Parcels by digest; null until all of them are on this page. Decoded ones are kept as long as they are asked for. */
class Parcels {
  constructor(decode) {
    this.decode = decode;
    this.known = new Map();
  }
  get(digests) {
    const found = new Map();
    for (const digest of digests) {
      const raw = globalThis.ikdHeld?.get(digest);
      const one = this.known.get(digest) ?? (raw && this.decode(raw.parcel));
      if (!one) return null;
      found.set(digest, one);
    }
    this.known = found;
    return digests.map((digest) => found.get(digest));
  }
}

/**
 * A value that the canvas and the server both may set. What the person did last on the canvas stands until the server
 * has answered: runs that were under way when it was done still bring the old value.
 */
class Wish {
  constructor(apply) {
    this.apply = apply;
    this.given = undefined;
    this.waiting = false;
  }
  hear(value) {
    if (this.waiting) {
      if (value === this.asked) this.waiting = false;
      this.given = value;
    } else if (value !== this.given) {
      this.given = value;
      this.apply(value);
    }
  }
  ask(value, send) {
    if (value === (this.waiting ? this.asked : this.given)) return;
    const before = this.given;
    this.asked = value;
    this.waiting = true;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      if (!this.waiting) return;
      this.waiting = false;
      if (this.given !== before && this.given !== value) this.apply(this.given);
    }, PATIENCE_MS);
    send(value);
  }
}

/** The colours of the page's theme, as they are now. */
function lookOf(node) {
  const style = getComputedStyle(node);
  const read = (name, otherwise) => style.getPropertyValue(name).trim() || otherwise;
  const paper = read("--st-background-color", "#ffffff");
  const dark = lightness(paper) < 0.5;
  const ink = read("--st-text-color", dark ? "#e8ecf1" : "#1b1f24");
  return { dark, ink, paper, muted: dark ? "#9aa4b0" : "#59626d", line: dark ? "#56606d" : "#aab2bc",
           accent: read("--st-primary-color", "#0072b2"), font: read("--st-font", "sans-serif") }; // prettier-ignore
}

function rgbOf(colour) {
  const ctx = (rgbOf.ctx ??= document.createElement("canvas").getContext("2d", { willReadFrequently: true }));
  ctx.clearRect(0, 0, 1, 1);
  ctx.fillStyle = colour;
  ctx.fillRect(0, 0, 1, 1);
  return [...ctx.getImageData(0, 0, 1, 1).data].slice(0, 3);
}

function lightness(colour) {
  const [r, g, b] = rgbOf(colour);
  return (0.299 * r + 0.587 * g + 0.114 * b) / 255;
}

/** Return a function of colours, by text, that does its work once for the same ones: it is asked at every frame. */
function remembered(make) {
  const known = new Map();
  return (...given) => {
    const key = given.join();
    if (!known.has(key)) known.set(key, make(...given));
    return known.get(key);
  };
}

/** A share of one colour, the rest of another. */
const mixed = remembered((colour, other, share) => {
  const [a, b] = [rgbOf(colour), rgbOf(other)];
  return `rgb(${a.map((one, k) => Math.round(share * one + (1 - share) * b[k])).join()})`;
});

/** What can be read best on a colour: the ink or the paper (contrast of the Web Content Accessibility Guidelines). */
const inkOn = remembered((colour, ink, paper) => {
  const light = (one) => {
    const [r, g, b] = rgbOf(one).map((part) => (part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
  };
  const contrast = (one) => Math.max(light(one), light(colour)) / Math.min(light(one), light(colour));
  return contrast(ink) > contrast(paper) ? ink : paper;
});

/** Give a canvas the size (CSS pixels) with as many dots as the screen has; return its context in CSS pixels. */
function sharpen(canvas, width, height, scale = globalThis.devicePixelRatio || 1) {
  const [w, h] = [Math.round(width * scale), Math.round(height * scale)];
  // Setting a size wipes a canvas: only where it differs, and then the caller draws in the same task.
  if (canvas.width !== w) canvas.width = w;
  if (canvas.height !== h) canvas.height = h;
  const ctx = canvas.getContext("2d");
  ctx.setTransform(scale, 0, 0, scale, 0, 0);
  return ctx;
}

/** Return a text short enough for a width. */
function fit(ctx, text, width) {
  if (ctx.measureText(text).width <= width) return text;
  let low = 0;
  let high = text.length;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (ctx.measureText(text.slice(0, middle) + "…").width <= width) low = middle;
    else high = middle - 1;
  }
  return text.slice(0, low) + "…";
}

/** Return lines of a text, none wider than a width. */
function wrapped(ctx, text, width) {
  const lines = [""];
  for (const word of text.split(/\s+/)) {
    const longer = lines.at(-1) ? `${lines.at(-1)} ${word}` : word;
    if (ctx.measureText(longer).width <= width || !lines.at(-1)) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines.map((line) => fit(ctx, line, width));
}

/** Show words beside a place on the stage; null hides them. The words are only ever text. */
function showTip(tip, stage, place, words) {
  tip.hidden = !place;
  if (!place) return;
  tip.textContent = words;
  const width = Math.min(tip.offsetWidth, stage.clientWidth);
  const left = Math.max(0, Math.min(place[0] + 12, stage.clientWidth - width));
  const above = place[1] - tip.offsetHeight - 10;
  tip.style.left = `${left}px`;
  tip.style.top = `${above < 0 ? place[1] + 16 : above}px`;
}

/** Save a picture of a run with words beneath it; paint(ctx) draws width x height CSS pixels. */
function savePicture({ width, height, look, run, lines, name, paint }) {
  const canvas = document.createElement("canvas");
  const measure = sharpen(canvas, 1, 1, 2);
  measure.font = `${LETTERS}px ${look.font}`;
  const words = [run && `Run ${run}`, ...lines].filter(Boolean).flatMap((line) => wrapped(measure, line, width - 24));
  const ctx = sharpen(canvas, width, height + 18 * words.length + 14, 2);
  ctx.fillStyle = look.paper;
  ctx.fillRect(0, 0, width, height + 18 * words.length + 14);
  paint(ctx);
  ctx.font = `${LETTERS}px ${look.font}`;
  ctx.fillStyle = look.ink;
  ctx.textAlign = "left";
  ctx.textBaseline = "top";
  words.forEach((line, k) => ctx.fillText(line, 12, height + 6 + 18 * k));
  canvas.toBlob((blob) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `${[run, name].filter(Boolean).join("-").replace(/[^\w.-]+/g, "-")}.png`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  });
}

/** Call a function of one view at most once a frame of the screen. */
function oncePerFrame(run) {
  let waiting = 0;
  return () => {
    waiting ||= requestAnimationFrame(() => {
      waiting = 0;
      run();
    });
  };
}

/** Keep one view on its root element over the calls for new data; the view has hear(data, component) and end(). */
function viewOf(component, selector, make) {
  const root = component.parentElement.querySelector(selector);
  const view = (root.ikdView ??= make(root));
  view.call = (view.call ?? 0) + 1;
  const call = view.call;
  view.hear(component.data, component);
  return () => {
    // Streamlit also runs the end of a call that a newer one has overtaken.
    if (root.ikdView !== view || view.call !== call) return;
    view.end();
    root.ikdView = null;
  };
}

const grouped = (number) => Number(number).toLocaleString("en-US");
