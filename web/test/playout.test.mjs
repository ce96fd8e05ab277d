// Ten minutes of sound in a moment: whatever the network does, the queue stays short.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Playout } from "../src/playout.js";

const RATE = 44100;
const BLOCK = 1152; // samples
const SECONDS = 600;
const CARD = 512; // samples that the sound card takes at a time, in pieces of 128

// play lets blocks arrive at the times (in seconds) that arrival gives for their own, and returns the mean queue in ms of
// the second and of the last minute, and the largest step between two samples.
function play(arrival) {
  const playout = new Playout(RATE);
  const queues = new Map();
  const sound = Float32Array.from({ length: RATE }, (_, i) => 0.5 * Math.sin((2 * Math.PI * 440 * i) / RATE)); // a second, over and over
  const block = new Float32Array(BLOCK);
  const out = new Float32Array(128);
  const pulled = { samples: 0, last: 0, step: 0 };
  const until = (time) => {
    for (; pulled.samples < time * RATE; pulled.samples += CARD) {
      for (let i = 0; i < CARD; i += out.length) {
        playout.pull(out, new Float32Array(out.length));
        for (const sample of out) {
          pulled.step = Math.max(pulled.step, Math.abs(sample - pulled.last));
          pulled.last = sample;
        }
      }
    }
  };
  let last = 0;
  for (let n = 0; n * BLOCK < SECONDS * RATE; n++) {
    last = Math.max(last, arrival((n * BLOCK) / RATE));
    until(last);
    for (let i = 0; i < BLOCK; i++) block[i] = sound[(n * BLOCK + i) % RATE];
    playout.push(block, block);
    const minute = Math.floor((n * BLOCK) / RATE / 60);
    const [sum, count] = queues.get(minute) ?? [0, 0];
    queues.set(minute, [sum + (1000 * playout.queue) / RATE, count + 1]);
  }
  const mean = (minute) => queues.get(minute)[0] / queues.get(minute)[1];
  return { playout, early: mean(1), late: mean(SECONDS / 60 - 1), step: pulled.step };
}

// numbers are random ones, the same each time.
function numbers() {
  let seed = 1;
  return () => (seed = (seed * 16807) % 2147483647) / 2147483647;
}

const jitter = (most) => ((random) => (at) => at + most * random())(numbers());

// Most is of the mean queue in ms; a sample of the tone is at most 0.031 from the next one.
const cases = [
  { name: "steady", arrival: (at) => at, most: 30, gaps: 0, step: 0.032 },
  { name: "a publisher whose clock is slow", arrival: (at) => at * 1.0002, most: 30, gaps: 0, step: 0.032 },
  { name: "a publisher whose clock is fast", arrival: (at) => at * 0.9998, most: 30, gaps: 0, step: 0.032 },
  { name: "15 ms of jitter", arrival: jitter(0.015), most: 40, gaps: 0, step: 0.032 },
  { name: "60 ms of jitter", arrival: jitter(0.06), most: 100, gaps: 4, step: 0.05 },
  { name: "a stall of half a second every ten", arrival: (at) => (at % 10 < 0.5 ? at - (at % 10) + 0.5 : at), most: 40, gaps: 62, step: 0.06 },
  { name: "one stall of 90 ms", arrival: (at) => (at > 100 && at < 100.09 ? 100.09 : at), most: 40, gaps: 1, step: 0.05 },
];

for (const { name, arrival, most, gaps, step } of cases) {
  test(name, () => {
    const was = play(arrival);
    assert.ok(was.late < most, `the queue is ${was.late.toFixed(1)} ms`);
    assert.ok(Math.abs(was.late - was.early) < 10, `the queue went from ${was.early.toFixed(1)} to ${was.late.toFixed(1)} ms`);
    assert.ok(was.playout.gaps <= gaps, `${was.playout.gaps} gaps`);
    assert.ok(was.step < step, `a step of ${was.step.toFixed(3)}`);
  });
}

test("a queue that is far too long is left behind at once", () => {
  const playout = new Playout(RATE);
  const [left, right] = [new Float32Array(128), new Float32Array(128)];
  const fill = () => playout.written - playout.read;
  const second = (blocks) => {
    for (let i = 0, n = 0; i < RATE; i += 128) {
      for (; n * BLOCK < i * blocks; n++) playout.push(new Float32Array(BLOCK), new Float32Array(BLOCK));
      playout.pull(left, right);
    }
  };
  second(1);
  for (let i = 0; i < 20; i++) playout.push(new Float32Array(BLOCK), new Float32Array(BLOCK));
  assert.ok(fill() > 0.4 * RATE);
  second(1);
  second(1);
  assert.ok(fill() < 0.1 * RATE, `${fill()} samples are left`);
  assert.ok(playout.skipped > 0.3 * RATE);
  assert.equal(playout.gaps, 0);
});

test("what nobody takes out does not heap up", () => {
  const playout = new Playout(RATE);
  for (let i = 0; i < 1000; i++) playout.push(new Float32Array(BLOCK), new Float32Array(BLOCK));
  assert.ok(playout.written - playout.read < 2 * RATE);
});

test("silence that is known of is no gap", () => {
  const playout = new Playout(RATE);
  const [left, right] = [new Float32Array(128), new Float32Array(128)];
  const play = () => {
    for (let i = 0; i < 10; i++) {
      playout.push(new Float32Array(BLOCK), new Float32Array(BLOCK));
      for (let j = 0; j < 9; j++) playout.pull(left, right);
    }
    for (let i = 0; i < 100; i++) playout.pull(left, right);
  };
  play();
  assert.equal(playout.playing, false);
  playout.pause();
  play();
  assert.equal(playout.gaps, 0);
  play();
  assert.equal(playout.gaps, 1);
});
