// One script tag that adds the console to another page, such as KasmVNC's, as a panel at its right edge:
//
//   <script src="https://desk.example:4900/panel.js"></script>
//
// A copy on another server names ghostaux with data-url, or with data-port when only the port differs. data-panel="off"
// adds nothing by itself; ghostaux.connect does then. The console is a frame from ghostaux, so the page around it
// needs no rights, and its own keys and styles do not meet those of the console.
import { text } from "./text.js";

const VERSION = 1; // of the messages, see bridge.js
const script = document.currentScript;

const STYLE = `
:host { all: initial; position: fixed; inset: 0 0 0 auto; z-index: 2147483000; pointer-events: none; display: flex; align-items: center; color-scheme: light dark; }
button { pointer-events: auto; font: 600 13px/1 system-ui, sans-serif; writing-mode: vertical-rl; padding: 12px 7px; border: 1px solid #8888; border-right: 0; border-radius: 8px 0 0 8px; background: light-dark(#fff, #22262b); color: light-dark(#1b1f24, #e6e8eb); cursor: pointer; box-shadow: 0 1px 6px #0004; }
button:focus-visible { outline: 2px solid #3b82f6; outline-offset: 2px; }
iframe { pointer-events: auto; border: 0; width: min(380px, calc(100vw - 34px)); height: 100%; box-shadow: 0 0 16px #0006; background: light-dark(#f5f6f8, #15181c); }
:host(:not([open])) iframe { position: absolute; left: 100%; visibility: hidden; }
`;

// where is the address of the console.
function where() {
  const { url, port } = script?.dataset ?? {};
  if (url) return new URL(url.endsWith("/") ? url : `${url}/`, location.href);
  if (port) return new URL(`${location.protocol}//${location.hostname}:${port}/`);
  return new URL("./", script?.src ?? location.href);
}

// Desk is a connection to the console. It dispatches "state" and "document"; see bridge.js for what is in them.
class Desk extends EventTarget {
  #pending = new Map();
  #next = 1;
  #gone = new AbortController();

  constructor({ url = where(), container = document.body } = {}) {
    super();
    this.url = new URL(url, location.href);
    this.state = undefined;
    this.ready = new Promise((resolve, reject) => {
      this.addEventListener("state", resolve, { once: true });
      this.#gone.signal.addEventListener("abort", () => reject(removed()));
    });
    this.ready.catch(() => {}); // nobody has to wait for it
    this.#build(container);
    this.#keepKeyboard();
    addEventListener("message", (event) => this.#message(event), { signal: this.#gone.signal });
    const call = (name) => (...parameters) => this.call(name, ...parameters);
    this.sound = { start: call("sound.start"), stop: call("sound.stop"), volume: call("sound.volume"), mute: call("sound.mute") };
    this.microphone = { start: call("microphone.start"), stop: call("microphone.stop"), talk: call("microphone.talk") };
    this.upload = call("upload");
  }

  // call asks the console, and returns a promise of its answer.
  async call(name, ...parameters) {
    await this.ready;
    if (this.#gone.signal.aborted) throw removed();
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.frame.contentWindow.postMessage({ ghostaux: VERSION, id, call: name, arguments: parameters }, this.url.origin);
    });
  }

  get open() {
    return this.host.hasAttribute("open");
  }

  set open(open) {
    this.host.toggleAttribute("open", open);
    this.button.setAttribute("aria-expanded", String(open));
    this.button.textContent = open ? text.panel.close : text.panel.open;
    if (!open) this.#release();
  }

  // remove takes the panel away, and with it everything that it does.
  remove() {
    this.host.remove();
    this.#gone.abort();
    for (const { reject } of this.#pending.values()) reject(removed());
    this.#pending.clear();
  }

  #build(container) {
    this.host = document.createElement("ghostaux-panel");
    const root = this.host.attachShadow({ mode: "open" });
    if (root.adoptedStyleSheets && "replaceSync" in CSSStyleSheet.prototype) { // allowed by every page's policy
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(STYLE);
      root.adoptedStyleSheets = [sheet];
    } else {
      const style = document.createElement("style");
      style.textContent = STYLE;
      root.append(style);
    }
    this.button = document.createElement("button");
    this.button.type = "button";
    this.button.addEventListener("click", () => { this.open = !this.open; });
    this.frame = document.createElement("iframe");
    this.frame.title = text.panel.frame;
    this.frame.allow = "microphone; autoplay; gamepad; speaker-selection";
    this.frame.src = this.url;
    root.append(this.button, this.frame);
    this.open = false;
    container.append(this.host);
  }

  // keepKeyboard leaves keys and pointers to the page: a click at the panel takes no focus, and what happens in the
  // panel is not told to the page's handlers.
  #keepKeyboard() {
    this.last = document.activeElement;
    document.addEventListener("focusin", ({ target }) => {
      if (target !== this.host) this.last = target;
    }, { signal: this.#gone.signal });
    this.button.addEventListener("pointerdown", (event) => event.preventDefault());
    this.button.addEventListener("mousedown", (event) => event.preventDefault());
    for (const type of ["pointerdown", "pointerup", "mousedown", "mouseup", "click", "touchstart", "touchend", "wheel", "keydown", "keyup", "keypress"]) {
      this.host.addEventListener(type, (event) => event.stopPropagation());
    }
  }

  #release() {
    if (document.activeElement !== this.host) return;
    this.frame.blur();
    if (this.last?.isConnected && this.last !== document.body) this.last.focus({ preventScroll: true });
    else window.focus();
  }

  #message({ source, origin, data }) {
    if (source !== this.frame.contentWindow || origin !== this.url.origin || data?.ghostaux !== VERSION) return;
    if (data.id) {
      const { resolve, reject } = this.#pending.get(data.id) ?? {};
      this.#pending.delete(data.id);
      if (data.error !== undefined) reject?.(new Error(data.error));
      else resolve?.(data.result);
      return;
    }
    if (data.event === "release") return this.#release();
    if (data.event === "state") this.state = data.detail;
    this.dispatchEvent(new CustomEvent(data.event, { detail: data.detail }));
  }
}

function removed() {
  return new Error("the panel was removed");
}

let only; // the panel of this page

function connect(options) {
  if (!only?.host.isConnected) only = new Desk(options);
  return only;
}

globalThis.ghostaux = { connect, version: VERSION };
if (script?.dataset.panel !== "off") {
  if (document.body) connect();
  else addEventListener("DOMContentLoaded", () => connect());
}
