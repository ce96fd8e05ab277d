// Uploads: files go in pieces, one after another, with the tus protocol (version 1.0.0), so that a piece that was lost
// on the way is sent again and nothing else.
import { address } from "./channel.js";
import { make } from "./files.js";
import { load, save } from "./settings.js";

const PIECE = 8 << 20; // bytes a request: below the 10 MB that proxies often allow
const LEAST = 256 << 10; // that a proxy may allow
const AT_ONCE = 3; // files
const FIRST_MS = 500; // until a lost connection is tried again, doubling
const MOST_MS = 8000;
const REMEMBERED = 200; // unfinished uploads, so that the same file goes on after a reload

const METADATA = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text)));

// Transfer is one file, or an empty folder, which has no file, or what could not be read at all. State: "waiting", "sending", "retrying", "paused", "done", "failed" (why is in problem),
// "cancelled".
class Transfer {
  constructor({ file, path, unreadable = false }) {
    this.file = file;
    this.path = path;
    this.unreadable = unreadable;
    this.size = file?.size ?? 0;
    this.sent = 0;
    this.state = unreadable ? "failed" : "waiting";
    this.problem = unreadable ? "unreadable" : "";
    this.speed = 0; // bytes/s
    this.delay = FIRST_MS;
    this.piece = PIECE; // of the next request
    this.key = `${path}|${this.size}|${file?.lastModified}`;
  }

  get finished() {
    return ["done", "failed", "cancelled"].includes(this.state);
  }
}

export class Uploads extends EventTarget {
  constructor(events) {
    super();
    this.events = events;
    this.most = PIECE; // of a request: less than a proxy has refused
    this.list = [];
    this.known = load("uploads", []); // [key, location]
    const again = () => this.#wake();
    events.addEventListener("ready", ({ detail }) => detail === "upload" && again());
    addEventListener("online", again);
  }

  // add queues files: [{file, path}], path with the folders that it is to be in. A path without a file is an
  // empty folder, unless it is unreadable.
  add(files) {
    const added = files.map((file) => new Transfer(file));
    this.list.push(...added);
    this.#next();
    return added;
  }

  pause(transfer) {
    if (transfer.finished) return;
    transfer.state = "paused";
    this.#abort(transfer);
    this.#next();
  }

  // resume continues a paused transfer, or tries a failed one again.
  resume(transfer) {
    if (transfer.unreadable || transfer.state !== "paused" && transfer.state !== "failed") return;
    transfer.problem = "";
    transfer.delay = FIRST_MS;
    transfer.state = "waiting";
    this.#next();
  }

  cancel(transfer) {
    if (transfer.finished) return;
    transfer.state = "cancelled";
    this.#abort(transfer);
    if (transfer.location) this.#request(transfer, "DELETE").catch(() => {}); // else it goes after its time
    this.#forget(transfer);
    this.#next();
  }

  clear() {
    this.list = this.list.filter((transfer) => !transfer.finished);
    this.#changed();
  }

  // totals is the whole of what is on the list.
  totals() {
    const open = this.list.filter((t) => t.state !== "failed" && t.state !== "cancelled");
    const sum = (f) => open.reduce((total, t) => total + f(t), 0);
    const speed = sum((t) => (t.state === "sending" ? t.speed : 0));
    const size = sum((t) => t.size);
    const sent = sum((t) => t.sent);
    return { size, sent, speed, seconds: speed > 0 ? (size - sent) / speed : Infinity, active: open.some((t) => !t.finished) };
  }

  #next() {
    const running = this.list.filter((t) => t.state === "sending" || t.state === "retrying").length;
    for (const transfer of this.list.filter((t) => t.state === "waiting").slice(0, Math.max(0, AT_ONCE - running))) {
      transfer.state = "sending";
      this.#run(transfer);
    }
    this.#changed();
  }

  #wake() {
    for (const transfer of this.list) transfer.wake?.();
  }

  #abort(transfer) {
    transfer.turn = undefined;
    transfer.request?.abort();
    transfer.wake?.();
  }

  // run sends a file to its end, through any number of lost connections.
  async #run(transfer) {
    const turn = (transfer.turn = {});
    const mine = () => transfer.turn === turn;
    while (mine()) {
      try {
        await (transfer.file ? this.#send(transfer, mine) : make(transfer.path));
        if (!mine()) return;
        transfer.state = "done";
        transfer.sent = transfer.size;
        this.#forget(transfer);
        this.dispatchEvent(new CustomEvent("done", { detail: transfer }));
      } catch (error) {
        if (!mine()) return;
        if (await this.#recover(transfer, error, mine)) continue;
        if (!mine()) return;
        transfer.state = "failed";
        transfer.problem = error.message;
      }
      transfer.turn = undefined;
      this.#next();
    }
  }

  // recover waits where trying again can help.
  async #recover(transfer, error, mine) {
    if (error.status === 404 && transfer.location) { // forgotten there: from the beginning
      transfer.location = undefined;
      this.#forget(transfer);
      return true;
    }
    if (error.status && error.status !== 409 && error.status < 500 && error.status !== 429) return false;
    if (error.status === 409 && !transfer.location || error.status === 507) return false; // the name is taken; the disk is full
    if (error.unreadable) return false;
    transfer.state = "retrying";
    this.#changed();
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, transfer.delay);
      transfer.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    transfer.wake = undefined;
    transfer.delay = Math.min(2 * transfer.delay, MOST_MS);
    if (!mine()) return false;
    transfer.state = "sending";
    return true;
  }

  async #send(transfer, mine) {
    await this.#find(transfer);
    do {
      if (!mine()) return;
      const piece = transfer.file.slice(transfer.offset, transfer.offset + Math.min(transfer.piece, this.most));
      await readable(piece);
      try {
        const answer = await this.#request(transfer, "PATCH", piece);
        transfer.offset = Number(answer.getResponseHeader("Upload-Offset"));
        transfer.delay = FIRST_MS;
        transfer.piece = Math.min(2 * transfer.piece, PIECE);
      } catch (error) {
        // A proxy refuses a request for its size with 413, or cuts it; ghostaux itself has said at the beginning whether it takes the file.
        const half = Math.max(LEAST, piece.size >> 1);
        if (!error.status) transfer.piece = half;
        if (error.status !== 413 || piece.size <= LEAST) throw error;
        this.most = Math.min(this.most, half);
      }
    } while (transfer.offset < transfer.size);
  }

  // find learns how far the upload is, or makes it.
  async #find(transfer) {
    transfer.location ??= this.known.find(([key]) => key === transfer.key)?.[1];
    if (transfer.location) {
      const answer = await this.#request(transfer, "HEAD");
      transfer.offset = transfer.sent = Number(answer.getResponseHeader("Upload-Offset"));
      return;
    }
    const answer = await this.#request(transfer, "POST");
    transfer.location = answer.getResponseHeader("Location");
    transfer.offset = transfer.sent = 0;
    this.known = [[transfer.key, transfer.location], ...this.known].slice(0, REMEMBERED);
    save("uploads", this.known);
  }

  #forget(transfer) {
    this.known = this.known.filter(([key]) => key !== transfer.key);
    save("uploads", this.known);
  }

  // request speaks tus with XMLHttpRequest, which tells of progress.
  #request(transfer, method, piece) {
    const request = new XMLHttpRequest();
    if (method !== "DELETE") transfer.request = request;
    const collection = address("uploads/files/");
    request.open(method === "PATCH" ? "POST" : method, method === "POST" ? collection : new URL(transfer.location, collection));
    request.setRequestHeader("Tus-Resumable", "1.0.0");
    request.setRequestHeader("Accept", "application/json");
    if (method === "POST") {
      request.setRequestHeader("Upload-Length", transfer.size);
      request.setRequestHeader("Upload-Metadata", `filename ${METADATA(transfer.file.name)},relativePath ${METADATA(transfer.path)}`);
    }
    if (method === "PATCH") {
      request.setRequestHeader("X-HTTP-Method-Override", "PATCH"); // which some proxies do not let pass
      request.setRequestHeader("Upload-Offset", transfer.offset);
      request.setRequestHeader("Content-Type", "application/offset+octet-stream");
      request.upload.onprogress = ({ loaded }) => this.#progress(transfer, transfer.offset + loaded);
    }
    return new Promise((resolve, reject) => {
      request.onload = () => {
        if (request.status >= 200 && request.status < 300) resolve(request);
        else reject(refusal(request));
      };
      request.onerror = request.onabort = () => reject(new Error("connection lost"));
      request.send(piece);
    });
  }

  #progress(transfer, sent) {
    const now = performance.now();
    const { at, sent: before } = transfer.mark ?? { at: 0 };
    if (now - at > 2000) { // a new beginning
      transfer.mark = { at: now, sent };
    } else if (now - at > 250) {
      const speed = Math.max(0, (1000 * (sent - before)) / (now - at));
      transfer.speed = transfer.speed ? 0.7 * transfer.speed + 0.3 * speed : speed;
      transfer.mark = { at: now, sent };
    }
    transfer.sent = sent;
    this.dispatchEvent(new CustomEvent("progress", { detail: transfer }));
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}

// readable fails for a file that was changed or removed since it was chosen: XMLHttpRequest would only say "error".
async function readable(piece) {
  if (piece.size === 0) return;
  try {
    await piece.slice(0, 1).arrayBuffer();
  } catch (cause) {
    throw Object.assign(new Error("unreadable", { cause }), { unreadable: true });
  }
}

function refusal(request) {
  let message = request.responseText;
  try {
    message = JSON.parse(message).error;
  } catch {
    // a proxy's own words, which may be a page
    if (/<\w/.test(message)) message = "";
  }
  return Object.assign(new Error(message || `${request.status} ${request.statusText}`), { status: request.status });
}
