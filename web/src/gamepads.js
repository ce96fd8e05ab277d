// Gamepads of this computer become gamepads of the desktop, and what games tell their motors comes back.
import { Channel } from "./channel.js";

const SLOTS = 4; // pads that the desktop has
const AXES = 4;
const BUTTONS = 17; // in the order of the W3C standard mapping
const EVERY_MS = 4; // 250 Hz; browsers make longer what they find too short
const FULL = 32767;

// Gamepads dispatches "change" when a pad or the connection comes or goes. Its pads are {pad, slot, row, rate}, slot
// undefined for the fifth.
export class Gamepads extends EventTarget {
  constructor(events) {
    super();
    this.events = events;
    this.pads = new Map(); // by the browser's index
    this.advice = "";
    this.channel = new Channel("gamepad/", {
      opened: () => this.#opened(),
      message: (data) => this.#message(JSON.parse(data)),
      closed: (code, reason) => this.#closed(code, reason),
    });
    addEventListener("gamepadconnected", ({ gamepad }) => this.#plugged(gamepad));
    addEventListener("gamepaddisconnected", ({ gamepad }) => this.#unplugged(gamepad));
    document.addEventListener("visibilitychange", () => this.#release());
    events.addEventListener("change", () => this.#wish());
    events.addEventListener("ready", ({ detail }) => detail === "gamepad" && this.channel.poke());
  }

  get supported() {
    return "getGamepads" in navigator;
  }

  // start takes the pads that were there before the page.
  start() {
    if (!this.supported) return;
    for (const pad of navigator.getGamepads()) if (pad) this.#plugged(pad);
  }

  // rumble plays an effect on a pad of this computer.
  rumble(index, { strong, weak, duration }) {
    const actuator = navigator.getGamepads()[index]?.vibrationActuator;
    if (!actuator) return;
    const done = strong || weak
      ? actuator.playEffect("dual-rumble", { duration, strongMagnitude: strong, weakMagnitude: weak })
      : actuator.reset?.();
    done?.catch?.(() => {}); // the pad has gone, or has no motors
  }

  #plugged(pad) {
    if (this.pads.has(pad.index)) return;
    const taken = [...this.pads.values()].map(({ slot }) => slot);
    const slot = [...Array(SLOTS).keys()].find((i) => !taken.includes(i));
    this.pads.set(pad.index, { pad, slot, row: undefined, rate: 0, frames: 0 });
    this.#announce("device_connected", pad, slot);
    this.#wish();
    this.#poll();
    this.#changed();
  }

  #unplugged(pad) {
    const known = this.pads.get(pad.index);
    if (!known) return;
    this.pads.delete(pad.index);
    this.#announce("device_disconnected", pad, known.slot);
    for (const waiting of this.pads.values()) {
      if (waiting.slot === undefined && known.slot !== undefined) {
        waiting.slot = known.slot;
        known.slot = undefined;
        waiting.row = undefined;
        this.#announce("device_connected", waiting.pad, waiting.slot);
      }
    }
    this.#wish();
    this.#changed();
  }

  // wish is connected while there is a pad and the service may be used.
  #wish() {
    const service = this.events.service("gamepad");
    if (this.pads.size > 0 && service?.control === "on" && service.state !== "off") this.channel.open();
    else this.channel.close();
  }

  #opened() {
    this.advice = "";
    for (const known of this.pads.values()) {
      known.row = undefined; // all is sent anew
      this.#announce("device_connected", known.pad, known.slot);
    }
    this.#changed();
  }

  #message(message) {
    if (message.message_type === "unavailable") this.advice = message.advice;
    if (message.message_type !== "rumble") return;
    for (const [index, { slot }] of this.pads) if (slot === message.index) this.rumble(index, message);
  }

  #closed(code, reason) {
    if (code === 1013) this.advice ||= reason;
    this.#changed();
  }

  #announce(type, pad, slot) {
    if (slot !== undefined) this.channel.send(JSON.stringify({ message_type: type, id: pad.id, index: slot }));
  }

  // poll has a timer that makes up for late calls, as chained timeouts do not.
  #poll() {
    if (this.timer || this.pads.size === 0) return;
    this.rated = performance.now();
    this.timer = setInterval(() => {
      if (this.pads.size === 0) {
        clearInterval(this.timer);
        this.timer = undefined;
        return;
      }
      if (!document.hidden) this.#look();
      this.#rate();
    }, EVERY_MS);
  }

  // look sends the rows that have changed.
  #look() {
    const rows = [];
    for (const pad of navigator.getGamepads()) {
      const known = pad && this.pads.get(pad.index);
      if (!known) continue;
      known.pad = pad;
      known.frames++;
      const next = row(pad, known.slot);
      if (same(next, known.row)) continue;
      known.row = next;
      if (known.slot !== undefined) rows.push(next);
    }
    if (rows.length > 0) this.channel.send(JSON.stringify(rows));
  }

  #rate() {
    const now = performance.now();
    if (now - this.rated < 1000) return;
    for (const known of this.pads.values()) {
      known.rate = Math.round((1000 * known.frames) / (now - this.rated));
      known.frames = 0;
    }
    this.rated = now;
  }

  // release lets go of everything when the page is hidden: browsers do not tell then what the pads do.
  #release() {
    if (!document.hidden) return;
    const rows = [];
    for (const known of this.pads.values()) {
      known.row = undefined;
      if (known.slot !== undefined) rows.push([known.slot, ...Array(AXES + BUTTONS).fill(0)]);
    }
    if (rows.length > 0) this.channel.send(JSON.stringify(rows));
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}

// row is a pad's whole state: [slot, axis 0..3, button 0..16].
function row(pad, slot) {
  const next = [slot ?? null];
  for (let i = 0; i < AXES; i++) next.push(Math.round((pad.axes[i] ?? 0) * FULL));
  for (let i = 0; i < BUTTONS; i++) next.push(pad.buttons[i]?.value ?? 0);
  return next;
}

function same(a, b) {
  return b !== undefined && a.every((value, i) => value === b[i]);
}
