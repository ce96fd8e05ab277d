// Channel comes back after a pause that grows, whoever asks for it meanwhile.
import assert from "node:assert/strict";
import { mock, test } from "node:test";

const sockets = [];
Object.assign(globalThis, {
  addEventListener() {},
  location: { protocol: "https:" },
  document: { baseURI: "https://desk.example/" },
  WebSocket: class {
    static OPEN = 1;
    constructor(url) {
      this.url = String(url);
      sockets.push(this);
    }
    close() {}
  },
});
const { Channel } = await import("../src/channel.js");

test("a channel that is wanted again and again while it waits", () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  mock.method(Math, "random", () => 0.5); // no jitter
  const channel = new Channel("gamepad/", {});
  channel.open();
  assert.equal(sockets.length, 1);
  assert.equal(sockets[0].url, "wss://desk.example/gamepad/");
  for (const [tries, pause] of [[2, 300], [3, 600], [4, 1200], [5, 2400], [6, 4800], [7, 5000], [8, 5000]]) {
    sockets.at(-1).onclose({ code: 1013, reason: "no device" });
    for (let i = 0; i < 20; i++) channel.open();
    mock.timers.tick(pause - 1);
    assert.equal(sockets.length, tries - 1, `before ${pause} ms`);
    mock.timers.tick(1);
    assert.equal(sockets.length, tries, `after ${pause} ms`);
  }
  sockets.at(-1).onclose({ code: 1013, reason: "no device" });
  channel.poke(); // something says that it may work now
  assert.equal(sockets.length, 9);
  channel.close();
  mock.timers.tick(60000);
  assert.equal(sockets.length, 9);
});
