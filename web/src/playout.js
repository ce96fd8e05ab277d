// Plays blocks of samples one after another with as little delay as the network allows.
//
// Samples lie in a ring: blocks are put in as they come, and the sound card takes out what it needs. What is there
// just before the next block comes is the slack: sound that has waited for nothing. Its least in half a second is held at a
// target by playing up to 1 % faster or 0.5 % slower, which also follows the difference of the two clocks. The target
// follows the network: a little more than blocks have been late of late, but for a single one that was very late.
// Far too much is skipped at once, and so is what has heaped up behind a gap.
//
// Everything is counted in samples; it runs wherever pull is called from, and needs no clock.
const CAPACITY = 1 << 17; // samples, about three seconds
const WINDOW = 0.5; // seconds over which the slack is found
const MEMORY = 60; // windows that the target looks back at
const FIRST_RESERVE = 0.015; // seconds, before anything is known
const MARGIN = 0.005; // seconds beyond what was late
const LEAST = 0.01; // seconds, of the target
const MOST = 0.15;
const STEP = 0.015; // seconds that a single late block is good for
const SKIP_ABOVE = 0.12; // seconds of slack beyond the target
const NEAR = 0.003; // seconds beside the target that are left alone
const FASTER = 0.01;
const SLOWER = -0.005;
const FADE = 128; // samples, where the sound breaks off, begins, or jumps

export class Playout {
  constructor(rate) {
    this.rate = rate; // samples a second
    this.left = new Float32Array(CAPACITY);
    this.right = new Float32Array(CAPACITY);
    this.written = 0; // samples ever put in
    this.gaps = 0;
    this.skipped = 0; // samples
    this.queue = 0; // samples that a block finds before it, on average over about a second
    this.late = Array(MEMORY).fill(0); // seconds below the target, the latest windows
    this.late[0] = this.late[1] = FIRST_RESERVE;
    this.rising = this.falling = 0; // samples of a fade that are left
    this.last = [0, 0]; // what was played last
    this.pause();
  }

  // pause says that nothing is expected to come: the silence until the next block is no gap.
  pause() {
    this.read = this.written; // samples ever taken out, and the part of one
    if (this.playing) this.falling = FADE;
    this.playing = false;
    this.silent = -1; // samples of silence since the sound ran out, or -1 when it was not playing
    this.waited = 0; // samples since the first block of a new beginning
    this.speed = this.step = 1; // wanted, and in use
    this.jump = 0; // samples to skip
    this.#aim();
    this.#window();
  }

  // push puts a block in.
  push(left, right) {
    if (this.playing) this.queue += (this.#fill() - this.queue) / 40;
    if (this.silent >= 0) {
      this.gaps++;
      this.shortfall = Math.max(this.shortfall, this.target + this.silent / this.rate);
      this.silent = -1;
    }
    for (let i = 0; i < left.length; i++) {
      const at = (this.written + i) % CAPACITY;
      this.left[at] = left[i];
      this.right[at] = right[i];
    }
    this.written += left.length;
    this.block = left.length;
    const over = this.#fill() - CAPACITY / 2; // nobody takes anything out
    if (over > 0) this.#skip(over);
  }

  // pull takes out as many samples as there is room for in the two channels.
  pull(left, right) {
    if (!this.playing && !this.#begin(left.length)) {
      if (this.silent >= 0) this.silent += left.length;
      this.#fall(left, right, 0);
      return;
    }
    if (this.#isPlain(left.length)) this.#copy(left, right);
    else this.#take(left, right);
    if (this.playing) this.slack = Math.min(this.slack, this.#fill());
    this.age += left.length;
    if (this.age >= WINDOW * this.rate) this.#adjust();
  }

  #fill() {
    return this.written - this.read;
  }

  #window() {
    this.age = 0; // samples
    this.slack = Infinity; // samples
    this.shortfall = 0; // seconds
  }

  // begin waits until blocks may be late by the target, and leaves out what has heaped up until then.
  #begin(length) {
    if (this.#fill() === 0) return false;
    this.waited += length;
    const target = this.target * this.rate;
    if (this.waited < target) return false;
    const heap = this.#fill() - target - 2 * this.block;
    if (heap > 0) this.#skip(heap);
    this.read = Math.floor(this.read);
    this.queue = this.#fill() - this.block;
    this.playing = true;
    this.rising = FADE;
    this.waited = 0;
    return true;
  }

  #skip(samples) {
    this.read += Math.floor(samples);
    this.skipped += Math.floor(samples);
  }

  // isPlain reports whether what is next is wanted as it is.
  #isPlain(length) {
    return this.step === 1 && this.speed === 1 && this.jump === 0 && this.rising === 0 && this.#fill() > length && Number.isInteger(this.read);
  }

  #copy(left, right) {
    const start = this.read % CAPACITY;
    const first = Math.min(left.length, CAPACITY - start);
    for (const [ring, out] of [[this.left, left], [this.right, right]]) {
      out.set(ring.subarray(start, start + first));
      if (first < out.length) out.set(ring.subarray(0, out.length - first), first);
    }
    this.read += left.length;
    this.last = [left.at(-1), right.at(-1)];
  }

  // take interpolates, fades and jumps.
  #take(left, right) {
    const stay = 3 + this.jump; // the interpolation looks ahead
    for (let i = 0; i < left.length; i++) {
      if (this.#fill() <= stay) {
        this.#ranOut(left.length - i);
        this.#fall(left, right, i);
        return;
      }
      const loud = this.rising > 0 ? 1 - this.rising-- / FADE : 1;
      left[i] = loud * at(this.left, this.read);
      right[i] = loud * at(this.right, this.read);
      if (this.jump > 0) this.#cross(left, right, i);
      this.#advance();
    }
    this.#land();
    this.last = [left.at(-1), right.at(-1)];
  }

  // fall lets the last sample fade away from i on, where there is nothing more.
  #fall(left, right, i) {
    if (i > 0) this.last = [left[i - 1], right[i - 1]];
    for (; i < left.length; i++) {
      const loud = this.falling > 0 ? --this.falling / FADE : 0;
      left[i] = loud * this.last[0];
      right[i] = loud * this.last[1];
    }
  }

  // advance goes on by a sample. A speed of 1 begins at a whole sample, so that nothing has to be interpolated.
  #advance() {
    this.read += this.step;
    if (this.step === this.speed) return;
    if (this.speed !== 1) {
      this.step = this.speed;
    } else if (Math.abs(this.read - Math.round(this.read)) <= Math.abs(this.step - 1)) {
      this.read = Math.round(this.read);
      this.step = 1;
    }
  }

  // cross fades from here to where the jump goes, within one pull.
  #cross(left, right, i) {
    const there = this.read + this.jump;
    const part = (i + 1) / left.length;
    left[i] += part * (at(this.left, there) - left[i]);
    right[i] += part * (at(this.right, there) - right[i]);
  }

  #land() {
    if (this.jump === 0) return;
    this.#skip(this.jump);
    this.jump = 0;
  }

  #ranOut(silence) {
    this.playing = false;
    this.falling = FADE;
    this.jump = 0;
    this.silent = silence;
    this.read = this.written;
  }

  // adjust looks back at a window: the slack it had decides the speed of the next one.
  #adjust() {
    const slack = this.slack / this.rate;
    if (this.playing && Number.isFinite(slack)) {
      const excess = slack - this.target;
      if (excess > SKIP_ABOVE) this.jump = Math.floor(excess * this.rate);
      this.speed = Math.abs(excess) < NEAR || excess > SKIP_ABOVE ? 1 : 1 + Math.max(SLOWER, Math.min(excess, FASTER));
      this.shortfall = Math.max(this.shortfall, -excess);
    }
    this.late.pop();
    this.late.unshift(this.shortfall > MOST ? 0 : this.shortfall); // what is later than any target is a gap anyway
    this.#aim();
    this.#window();
  }

  // aim sets the target by the second latest block of the last half minute: what happens once costs little.
  #aim() {
    const [most, second] = [...this.late].sort((a, b) => b - a);
    this.target = Math.min(MOST, Math.max(LEAST, MARGIN + Math.max(second, Math.min(most, STEP))));
  }
}

// at is the sound between samples, by a cubic through the four around.
function at(ring, where) {
  const whole = Math.floor(where);
  const part = where - whole;
  const b = ring[whole % CAPACITY];
  if (part === 0) return b;
  const a = ring[(whole + CAPACITY - 1) % CAPACITY];
  const c = ring[(whole + 1) % CAPACITY];
  const d = ring[(whole + 2) % CAPACITY];
  return b + 0.5 * part * (c - a + part * (2 * a - 5 * b + 4 * c - d + part * (3 * (b - c) + d - a)));
}
