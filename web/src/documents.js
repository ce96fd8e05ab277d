// Documents that applications on the desktop have printed.
import { address } from "./channel.js";
import { load, save } from "./settings.js";

// Documents dispatches "change" with the list, and "new" with a document that was not there before.
export class Documents extends EventTarget {
  constructor(events) {
    super();
    this.events = events;
    this.list = [];
    this.auto = load("documents.auto", false);
    this.last = undefined; // number of the newest that was seen
    events.addEventListener("change", () => this.#look());
  }

  setAuto(auto) {
    this.auto = auto;
    save("documents.auto", auto);
  }

  address({ id }) {
    return address(`printer/documents/${id}`);
  }

  // print opens the browser's print dialogue.
  async print(document_) {
    const answer = await fetch(this.address(document_));
    if (!answer.ok) throw new Error(await answer.text());
    const url = URL.createObjectURL(await answer.blob());
    const frame = document.createElement("iframe");
    frame.className = "print";
    frame.setAttribute("aria-hidden", "true");
    frame.tabIndex = -1;
    frame.src = url;
    this.frame?.remove();
    if (this.url) URL.revokeObjectURL(this.url);
    Object.assign(this, { frame, url }); // stay while the dialogue is open, until the next one
    await new Promise((resolve) => {
      frame.onload = resolve;
      document.body.append(frame);
    });
    try {
      frame.contentWindow.focus();
      frame.contentWindow.print();
    } catch {
      open(url, "_blank", "noopener"); // a viewer that lets nobody print for the person
    }
    this.dispatchEvent(new CustomEvent("printed", { detail: document_ }));
  }

  #look() {
    const documents = this.events.service("printer")?.detail?.documents;
    if (!documents) return;
    const newest = Math.max(0, ...documents.map(({ id }) => id));
    const before = this.last;
    this.last = newest;
    const shown = JSON.stringify(documents.map(({ id, state }) => [id, state]));
    if (shown !== this.shown) {
      this.shown = shown;
      this.list = documents;
      this.dispatchEvent(new Event("change"));
    }
    if (before === undefined) return; // those were there before the page
    for (const document_ of documents.filter(({ id }) => id > before).reverse()) {
      this.dispatchEvent(new CustomEvent("new", { detail: document_ }));
      if (this.auto) this.print(document_).catch(() => {}); // it stays in the list
    }
  }
}
