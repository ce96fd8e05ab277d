// Ten minutes of sound in a moment, on a clock that the test moves: whatever the network does, the queue stays short.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Playout } from "../src/playout.js";

const RATE = 44100;
const SAMPLES = 1152;
const FRAME = SAMPLES / RATE; // seconds
const SECONDS = 600;

// context is an AudioContext that only has a clock, which moves by 128 samples.
function silentContext() {
  return {
    currentTime: 0,
    createBuffer: (_, length) => ({ getChannelData: () => new Float32Array(length) }),
    createBufferSource: () => ({ playbackRate: {}, connect() {}, start() {} }),
  };
}

// play lets frames arrive at the times that arrival gives for their own, and returns the mean queue in ms of the second
// and of the last minute.
function play(arrival) {
  const context = silentContext();
  const playout = new Playout(context, {});
  const samples = new Float32Array(SAMPLES);
  const sums = new Map();
  let last = 0;
  for (let at = 0; at < SECONDS; at += FRAME) {
    last = Math.max(last, arrival(at));
    context.currentTime = (Math.floor((last * RATE) / 128) * 128) / RATE;
    playout.play(RATE, samples, samples);
    const minute = Math.floor(at / 60);
    const [sum, count] = sums.get(minute) ?? [0, 0];
    sums.set(minute, [sum + 1000 * playout.queue, count + 1]);
  }
  const mean = (minute) => sums.get(minute)[0] / sums.get(minute)[1];
  return { playout, early: mean(1), late: mean(SECONDS / 60 - 1) };
}

// numbers are random ones, the same each time.
function numbers() {
  let seed = 1;
  return () => (seed = (seed * 16807) % 2147483647) / 2147483647;
}

const cases = [
  { name: "steady", arrival: (at) => at, most: 40, gaps: 2 },
  { name: "a publisher whose clock is slow", arrival: (at) => at * 1.0002, most: 40, gaps: 2 },
  { name: "a publisher whose clock is fast", arrival: (at) => at * 0.9998, most: 40, gaps: 2 },
  { name: "60 ms of jitter", arrival: (random => (at) => at + 0.06 * random())(numbers()), most: 80, gaps: 4 },
  { name: "a stall of half a second every ten", arrival: (at) => (at % 10 < 0.5 ? at - (at % 10) + 0.5 : at), most: 150, gaps: 62 },
];

for (const { name, arrival, most, gaps } of cases) {
  test(name, () => {
    const { playout, early, late } = play(arrival);
    assert.ok(late < most, `the queue is ${late.toFixed(1)} ms`);
    assert.ok(Math.abs(late - early) < 10, `the queue went from ${early.toFixed(1)} to ${late.toFixed(1)} ms`);
    assert.ok(playout.gaps <= gaps, `${playout.gaps} gaps`);
  });
}
