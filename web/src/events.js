// The states of all services, as ghostaux tells them over one WebSocket.
import { address, Channel } from "./channel.js";

const VERSION = 1; // of the messages
const DEAD_MS = 25000; // without a word; ghostaux says something every 10 s

export class Events extends EventTarget {
  constructor() {
    super();
    this.services = new Map();
    this.role = "";
    this.link = "connecting"; // "open", "lost", "signedOut"
    this.failures = 0;
    this.channel = new Channel("events", {
      opened: () => this.#heard(),
      message: (data) => this.#message(JSON.parse(data)),
      closed: () => this.#closed(),
    });
    addEventListener("pageshow", ({ persisted }) => persisted && this.channel.renew());
  }

  start() {
    this.channel.open();
  }

  // service is what is known of one, or undefined.
  service(name) {
    return this.services.get(name);
  }

  // works reports whether a service can be used now.
  works(name) {
    const service = this.service(name);
    return this.link === "open" && service?.control === "on" && service.state === "ready";
  }

  #heard() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.channel.renew(), DEAD_MS);
  }

  // other: ghostaux was replaced under the page, and brings its own page; once, lest a cache make it a loop.
  #other(version) {
    if (sessionStorage.getItem("ghostaux.reloaded") === String(version)) return;
    sessionStorage.setItem("ghostaux.reloaded", version);
    location.reload();
  }

  #message(message) {
    this.#heard();
    if (message.version !== VERSION) {
      this.#other(message.version);
      return;
    }
    if (message.type !== "state") return;
    this.failures = 0;
    this.link = "open";
    this.role = message.role;
    const before = this.services;
    this.services = new Map(message.services.map((service) => [service.name, service]));
    this.dispatchEvent(new Event("change"));
    for (const [name, { state }] of this.services) {
      if (state === "ready" && before.get(name)?.state !== "ready") {
        this.dispatchEvent(new CustomEvent("ready", { detail: name }));
      }
    }
  }

  async #closed() {
    clearTimeout(this.timer);
    if (this.link !== "signedOut") this.link = "lost";
    for (const service of this.services.values()) service.state = "unknown";
    this.dispatchEvent(new Event("change"));
    if (++this.failures % 3 !== 2) return;
    try { // a WebSocket does not tell why it was refused
      const { status } = await fetch(address("status"), { method: "GET", cache: "no-store" });
      if (status === 401) this.link = "signedOut";
      else if (this.link === "signedOut") this.link = "lost";
      this.dispatchEvent(new Event("change"));
    } catch {
      // not reachable at all: the channel goes on trying
    }
  }
}
