// A WebSocket that comes back: it tries again after 0.3 s, doubling to 5 s, for as long as it is wanted.
const FIRST_MS = 300;
const MOST_MS = 5000;

// address is one of this page's own, whatever prefix a proxy has put before it.
export function address(path, scheme = location.protocol) {
  const url = new URL(path, document.baseURI);
  url.protocol = scheme;
  return url;
}

export class Channel {
  // path is relative to the page, or makes one; listener has the optional methods opened, message, closed(code, reason).
  constructor(path, listener) {
    this.path = typeof path === "function" ? path : () => path;
    this.listener = listener;
    this.wanted = false;
    this.delay = FIRST_MS;
    addEventListener("online", () => this.poke());
    // A page that is left may be kept whole, its sockets open and answering pings: what its user pressed would stay pressed.
    addEventListener("pagehide", () => this.#drop());
    addEventListener("pageshow", ({ persisted }) => persisted && this.poke());
  }

  get isOpen() {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  // open wants the connection from now on. Wanted again while it waits for its next try, it waits on.
  open() {
    if (this.wanted) return;
    this.wanted = true;
    this.#connect();
  }

  // close wants it no more.
  close() {
    this.wanted = false;
    clearTimeout(this.timer);
    this.timer = undefined;
    this.#drop();
  }

  // poke tries at once instead of waiting: something says that it may work now.
  poke() {
    if (!this.wanted || this.socket) return;
    this.delay = FIRST_MS;
    this.#connect();
  }

  // renew makes a new connection for one that has gone dead without saying so.
  renew() {
    if (!this.wanted) return;
    this.#drop();
    this.#connect();
  }

  send(data) {
    if (this.isOpen) this.socket.send(data);
  }

  #drop() {
    const socket = this.socket;
    this.socket = undefined;
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    }
  }

  #connect() {
    clearTimeout(this.timer);
    this.timer = undefined;
    const socket = new WebSocket(address(this.path(), location.protocol.replace("http", "ws")));
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    socket.onopen = () => {
      this.openedAt = performance.now();
      this.listener.opened?.();
    };
    socket.onmessage = ({ data }) => this.listener.message?.(data);
    socket.onclose = ({ code, reason }) => {
      this.socket = undefined;
      // One that is let in and closed again at once does not start over with the short delay.
      if (this.openedAt && performance.now() - this.openedAt > MOST_MS) this.delay = FIRST_MS;
      this.openedAt = undefined;
      this.listener.closed?.(code, reason);
      if (this.wanted && !this.socket && !this.timer) {
        this.timer = setTimeout(() => this.#connect(), this.delay * (0.8 + 0.4 * Math.random()));
        this.delay = Math.min(2 * this.delay, MOST_MS);
      }
    };
  }
}
