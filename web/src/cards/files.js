import { chosen, dropped } from "../choose.js";
import { attribute, el, say } from "../dom.js";
import * as files from "../files.js";
import { bytes, duration, moment } from "../format.js";
import { icon } from "../icons.js";
import { text } from "../text.js";
import { Card } from "./card.js";

const words = text.upload;
const LOOK_MS = 1500;
const SHOWN = 200; // transfers in the list; a folder may have many thousands

export function filesCard({ events, uploads }) {
  const card = new Card("upload", events);
  const browser = new Browser(events);
  const transfers = new Transfers(uploads);
  card.body.append(dropZone(card.element, (list) => uploads.add(list)), transfers.element, browser.element);
  let refreshing;
  uploads.addEventListener("done", () => {
    clearTimeout(refreshing);
    refreshing = setTimeout(() => browser.refresh(), 200); // once for many small files
  });
  events.addEventListener("ready", ({ detail }) => detail === "upload" && browser.refresh());
  if (events.works("upload")) browser.refresh();
  let looking; // while the folder is broken: ghostaux looks at it again when somebody asks for it
  events.addEventListener("change", () => {
    clearTimeout(looking);
    if (events.service("upload")?.state !== "degraded") return;
    const look = async () => {
      if (!document.hidden) await browser.refresh();
      looking = setTimeout(look, LOOK_MS);
    };
    looking = setTimeout(look, LOOK_MS);
  });
  return card;
}

function dropZone(target, add) {
  const input = (label, attributes) => {
    const chooser = el("input", { type: "file", multiple: true, class: "hidden", tabindex: -1, "aria-label": label, ...attributes });
    chooser.addEventListener("change", () => {
      add(chosen(chooser));
      chooser.value = "";
    });
    return [el("button", { type: "button", onclick: () => chooser.click() }, label), chooser];
  };
  const zone = el(
    "div", { class: "drop" }, icon("drop"), el("p", {}, words.drop),
    el("div", { class: "row" }, ...input(words.choose, { id: "choose-files" }), ...input(words.chooseFolder, { webkitdirectory: true })),
  );
  let depth = 0; // enter and leave come for every element on the way
  const over = (change) => {
    depth = change === 0 ? 0 : depth + change;
    zone.classList.toggle("over", depth > 0);
  };
  target.addEventListener("dragenter", () => over(1));
  target.addEventListener("dragleave", () => over(-1));
  target.addEventListener("dragover", (event) => event.preventDefault());
  target.addEventListener("drop", async (event) => {
    event.preventDefault();
    over(0);
    add(await dropped(event.dataTransfer));
  });
  return zone;
}

// Transfers is the list of uploads with the progress of all.
class Transfers {
  constructor(uploads) {
    this.uploads = uploads;
    this.rows = new Map();
    this.total = el("progress", { max: 1, "aria-label": words.transfers });
    this.totalText = el("p", { class: "small", id: "upload-total" });
    this.pause = el("button", { type: "button", class: "quiet", onclick: () => uploads.list.forEach((t) => uploads.pause(t)) }, words.pauseAll);
    this.resume = el("button", { type: "button", class: "quiet", onclick: () => uploads.list.forEach((t) => t.state === "paused" && uploads.resume(t)) }, words.resumeAll);
    this.clear = el("button", { type: "button", class: "quiet", onclick: () => uploads.clear() }, words.clear);
    this.list = el("ul", { class: "list", "aria-label": words.transfers });
    this.element = el("div", { class: "transfers", hidden: true }, this.total, el("div", { class: "row small-row" }, this.totalText, this.pause, this.resume, this.clear), this.list);
    uploads.addEventListener("change", () => this.#show());
    uploads.addEventListener("progress", ({ detail }) => {
      this.rows.get(detail)?.show();
      this.#totals();
    });
  }

  #show() {
    const list = [...this.uploads.list].sort((a, b) => a.finished - b.finished).slice(0, SHOWN);
    this.element.hidden = list.length === 0;
    for (const transfer of this.rows.keys()) if (!list.includes(transfer)) this.rows.delete(transfer);
    for (const transfer of list) {
      if (!this.rows.has(transfer)) this.rows.set(transfer, new Row(transfer, this.uploads));
      this.rows.get(transfer).show();
    }
    const elements = list.map((transfer) => this.rows.get(transfer).element);
    if (elements.some((element, i) => this.list.children[i] !== element) || this.list.children.length !== elements.length) {
      this.list.replaceChildren(...elements);
    }
    const is = (state) => this.uploads.list.some((transfer) => transfer.state === state);
    this.pause.hidden = !this.uploads.list.some((t) => !t.finished && t.state !== "paused");
    this.resume.hidden = !is("paused");
    this.clear.hidden = !this.uploads.list.some((t) => t.finished);
    this.#totals();
  }

  #totals() {
    const { size, sent, speed, seconds, active } = this.uploads.totals();
    this.total.value = size ? sent / size : 1;
    this.total.hidden = !active;
    const parts = [words.total(bytes(sent), bytes(size))];
    if (active && speed > 0) parts.push(`${bytes(speed)}/s`);
    if (active && Number.isFinite(seconds)) parts.push(words.left(duration(seconds)));
    say(this.totalText, parts.join(" · "));
  }
}

class Row {
  constructor(transfer, uploads) {
    this.transfer = transfer;
    this.progress = el("progress", { max: 1, "aria-label": words.progress(transfer.path) });
    this.status = el("span", { class: "small" });
    const button = (what, act) => el("button", { type: "button", class: "quiet", "aria-label": words.of(what, transfer.path), onclick: act }, what);
    this.pause = button(words.pause, () => uploads.pause(transfer));
    this.resume = button(words.resume, () => uploads.resume(transfer));
    this.retry = button(words.retry, () => uploads.resume(transfer));
    this.cancel = button(words.cancel, () => uploads.cancel(transfer));
    this.element = el(
      "li", {}, icon(transfer.file ? "file" : "folder"),
      el("div", { class: "what" }, el("span", { class: "name" }, transfer.path), this.status),
      el("div", { class: "actions" }, this.pause, this.resume, this.retry, this.cancel),
      this.progress,
    );
  }

  show() {
    const { transfer } = this;
    const { state } = transfer;
    attribute(this.element, "data-state", state);
    this.progress.value = transfer.size ? transfer.sent / transfer.size : Number(state === "done");
    this.progress.hidden = transfer.finished;
    this.pause.hidden = transfer.finished || state === "paused";
    this.resume.hidden = state !== "paused";
    this.retry.hidden = state !== "failed" || transfer.unreadable;
    this.cancel.hidden = transfer.finished;
    say(this.status, statusOf(transfer));
  }
}

function statusOf({ state, problem, sent, size, speed }) {
  if (state === "failed") return problem === "unreadable" ? words.unreadable : problem;
  if (state !== "sending") return words.states[state];
  const parts = [words.total(bytes(sent), bytes(size))];
  if (speed > 0) parts.push(`${bytes(speed)}/s`, words.left(duration((size - sent) / speed)));
  return parts.join(" · ");
}

// Browser shows one folder of the upload directory.
class Browser {
  constructor(events) {
    this.events = events;
    this.path = "";
    this.crumbs = el("nav", { class: "crumbs", "aria-label": words.path });
    this.note = el("p", { class: "small", role: "status" });
    this.list = el("ul", { class: "list files", "aria-label": words.files });
    this.element = el("div", { class: "browser", hidden: true }, el("h3", {}, words.files), this.crumbs, this.list, this.note);
  }

  async open(path) {
    this.path = path;
    await this.refresh();
  }

  async refresh() {
    const path = this.path;
    try {
      const { entries, truncated } = await files.list(path);
      if (path !== this.path) return;
      this.element.hidden = false;
      this.list.replaceChildren(...entries.map((entry) => this.#entry(entry)));
      say(this.note, entries.length === 0 ? words.empty : truncated ? words.truncated : "");
    } catch (error) {
      if (path !== "") return this.open(path.split("/").slice(0, -1).join("/")); // it is gone
      say(this.note, this.events.works("upload") ? `${words.listFailed} ${error.message}` : ""); // else the card says it
    }
    this.#crumbs();
  }

  #crumbs() {
    const parts = this.path ? this.path.split("/") : [];
    const step = (name, path, last) => (last
      ? el("span", { "aria-current": "page" }, name)
      : el("button", { type: "button", class: "link", onclick: () => this.open(path) }, name));
    const steps = [words.home, ...parts].map((name, i) => step(name, parts.slice(0, i).join("/"), i === parts.length));
    this.crumbs.replaceChildren(...steps);
    this.crumbs.hidden = parts.length === 0;
  }

  #entry(entry) {
    const path = this.path ? `${this.path}/${entry.name}` : entry.name;
    const label = (what) => words.of(what, entry.name);
    const name = entry.folder
      ? el("button", { type: "button", class: "link name", onclick: () => this.open(path) }, entry.name)
      : el("a", { class: "name", href: files.fileAddress(path), download: entry.name }, entry.name);
    const size = entry.folder ? null : el("span", { class: "small" }, `${bytes(entry.size)} · ${moment(entry.modified)}`);
    const row = el("li", {});
    const back = () => {
      plain();
      row.querySelector(".actions button").focus();
    };
    const plain = () => row.replaceChildren(icon(entry.folder ? "folder" : "file"), el("div", { class: "what" }, name, size), el(
      "div", { class: "actions" },
      el("button", { type: "button", class: "quiet", "aria-label": label(words.rename), onclick: () => this.#rename(row, back, { entry, path }) }, words.rename),
      el("button", { type: "button", class: "quiet", "aria-label": label(words.remove), onclick: () => this.#remove(row, back, { entry, path }) }, words.remove),
    ));
    plain();
    return row;
  }

  #rename(row, back, { entry, path }) {
    const input = el("input", { type: "text", "aria-label": words.newName });
    input.value = entry.name;
    const folder = path.slice(0, path.length - entry.name.length);
    const form = el("form", {
      class: "inline",
      onsubmit: (event) => {
        event.preventDefault();
        this.#do(row, () => files.rename(path, folder + input.value));
      },
      onkeydown: ({ key }) => key === "Escape" && back(),
    }, input, el("button", { class: "quiet" }, words.save), el("button", { type: "button", class: "quiet", onclick: back }, words.cancel));
    row.replaceChildren(form);
    input.focus();
    input.setSelectionRange(0, Math.max(entry.name.lastIndexOf("."), 0) || entry.name.length);
  }

  #remove(row, back, { entry, path }) {
    const sure = el("button", { type: "button", class: "danger", "aria-label": words.of(words.removeSure, entry.name), onclick: () => this.#do(row, () => files.remove(path)) }, words.removeSure);
    row.replaceChildren(
      el("div", { class: "what" }, el("span", { class: "name" }, entry.name)),
      el("div", { class: "actions" }, sure, el("button", { type: "button", class: "quiet", onclick: back }, words.keep)),
    );
    sure.focus();
  }

  async #do(row, act) {
    try {
      await act();
      await this.refresh();
    } catch (error) {
      row.querySelector(".problem")?.remove();
      row.append(el("span", { class: "problem", role: "alert" }, error.message));
    }
  }
}
