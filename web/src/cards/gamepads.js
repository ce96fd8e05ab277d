import { attribute, eachFrame, el, say, svg } from "../dom.js";
import { text } from "../text.js";
import { Card } from "./card.js";

const words = text.gamepad;

// Where the buttons of the W3C standard mapping are in the picture, by number: [x, y, radius].
const ROUND = {
  0: [228, 96, 9], 1: [248, 76, 9], 2: [208, 76, 9], 3: [228, 56, 9], // the four at the right
  8: [128, 72, 6], 9: [172, 72, 6], 16: [150, 54, 8],
  12: [72, 58, 8], 13: [72, 94, 8], 14: [54, 76, 8], 15: [90, 76, 8], // the cross
};
const SHOULDERS = { 4: 56, 5: 196 };
const TRIGGERS = { 6: 64, 7: 200 };
const STICKS = [{ x: 112, y: 112, button: 10, axes: [0, 1] }, { x: 188, y: 112, button: 11, axes: [2, 3] }];
const TRAVEL = 12;
const SHELL = "M80 34H220C252 34 266 62 274 98C281 130 284 156 274 166C262 178 246 168 236 154C230 145 226 138 216 138H84C74 138 70 145 64 154C54 168 38 178 26 166C16 156 19 130 26 98C34 62 48 34 80 34Z";

export function gamepadsCard({ events, gamepads }) {
  const card = new Card("gamepad", events);
  const state = el("p", { class: "status", role: "status" });
  const list = el("div", { class: "pads" });
  card.body.append(state, list);
  let shown = new Map();
  const show = () => {
    const next = new Map();
    for (const [index, known] of gamepads.pads) next.set(index, shown.get(index) ?? new Picture(index, known, gamepads));
    if (next.size !== shown.size || [...next.keys()].some((index) => !shown.has(index))) list.replaceChildren(...[...next.values()].map((p) => p.element));
    shown = next;
    say(state, described(gamepads, events));
  };
  gamepads.addEventListener("change", show);
  events.addEventListener("change", show);
  eachFrame(list, () => shown.forEach((picture) => picture.draw()));
  show();
  return card;
}

function described({ supported, pads, channel, advice }, events) {
  if (!supported) return words.unsupported;
  if (pads.size === 0) return events.works("gamepad") ? words.none : "";
  if (channel.isOpen) return words.sending;
  return events.works("gamepad") ? advice || words.connecting : ""; // the card says what is wrong
}

// model is a pad's name without the numbers that browsers put after it, or before.
function model(id) {
  return id.replace(/\s*\((STANDARD GAMEPAD|Vendor:).*\)$/i, "").replace(/^[0-9a-f]{1,4}-[0-9a-f]{1,4}-/i, "") || id;
}

// Picture is a pad as it is now.
class Picture {
  constructor(index, known, gamepads) {
    this.known = known;
    this.buttons = [];
    this.sticks = STICKS.map(({ x, y }) => svg("circle", { class: "stick", cx: x, cy: y, r: 12 }));
    const drawing = svg(
      "svg", { class: "pad", viewBox: "12 0 276 174", role: "img", "aria-label": words.picture(model(known.pad.id)) },
      ...Object.entries(TRIGGERS).map(([i, x]) => this.#button(i, svg("rect", { x, y: 3, width: 36, height: 20, rx: 8 }))),
      ...Object.entries(SHOULDERS).map(([i, x]) => this.#button(i, svg("rect", { x, y: 24, width: 48, height: 18, rx: 8 }))),
      svg("path", { class: "shell", d: SHELL }),
      ...Object.entries(ROUND).map(([i, [cx, cy, r]]) => this.#button(i, svg("circle", { cx, cy, r }))),
      ...STICKS.map(({ x, y, button }) => this.#button(button, svg("circle", { class: "well", cx: x, cy: y, r: 19 }))),
      ...this.sticks,
    );
    this.slot = el("strong");
    this.rate = el("span", { class: "small", title: words.rateMeans });
    const rumble = el("button", { type: "button", class: "quiet", onclick: () => gamepads.rumble(index, { strong: 0.8, weak: 0.8, duration: 400 }) }, words.rumble);
    if (!known.pad.vibrationActuator) {
      rumble.disabled = true;
      rumble.title = words.noRumble;
    }
    this.element = el("figure", {}, drawing, el("figcaption", {}, this.slot, el("span", { class: "small name", title: known.pad.id }, model(known.pad.id)), this.rate, rumble));
    this.draw();
  }

  #button(i, shape) {
    shape.classList.add("button");
    shape.dataset.button = i;
    this.buttons[i] = shape;
    return shape;
  }

  draw() {
    const { pad, slot, rate } = this.known;
    this.buttons.forEach((shape, i) => shape.style.setProperty("--on", (pad.buttons[i]?.value ?? 0).toFixed(2)));
    STICKS.forEach(({ x, y, axes }, i) => {
      attribute(this.sticks[i], "cx", (x + TRAVEL * (pad.axes[axes[0]] ?? 0)).toFixed(1));
      attribute(this.sticks[i], "cy", (y + TRAVEL * (pad.axes[axes[1]] ?? 0)).toFixed(1));
    });
    say(this.slot, slot === undefined ? words.unslotted : words.pad(slot));
    say(this.rate, rate ? words.rate(rate) : "");
  }
}
