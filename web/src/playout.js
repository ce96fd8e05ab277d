// Plays blocks of samples one after another with as little delay as the network allows.
//
// Blocks are put on the clock of the AudioContext when they arrive, so that no timer is needed, which browsers slow
// down in the background. The queue is how far ahead of the clock that is. Its shortest length in half a second is the slack:
// sound that has waited for nothing. The slack is held at a target by playing up to 2 % faster or 0.5 % slower, which
// also follows the difference of the two clocks; what is far too much is skipped at once. Every gap raises the target.
const FIRST_TARGET = 0.02; // seconds
const MOST_TARGET = 0.15;
const GAP_STEP = 0.015;
const CALM_STEP = 0.001; // every window without a gap
const SKIP_ABOVE = 0.15; // of slack beyond the target
const LEAD = 0.005; // before a first block, so that it is not late when it is scheduled
const WINDOW = 0.5; // seconds over which the slack is found
const FADE = 64; // samples, after a gap or a skip

export class Playout {
  constructor(context, output) {
    this.context = context;
    this.output = output;
    this.target = FIRST_TARGET;
    this.gaps = 0;
    this.skipped = 0; // seconds
    this.queue = 0; // seconds, as it was at the last block
    this.#restart();
  }

  #restart() {
    this.next = 0;
    this.speed = 1;
    this.#window(0);
  }

  #window(now) {
    this.windowEnd = now + WINDOW;
    this.slack = Infinity;
    this.calm = true;
  }

  // pause says that nothing is expected to come: the silence until the next block is no gap.
  pause() {
    this.#restart();
  }

  play(rate, left, right) {
    const now = this.context.currentTime;
    let fade = false;
    if (this.next < now) {
      if (this.next > 0) {
        this.gaps++;
        this.calm = false;
        this.target = Math.min(this.target + GAP_STEP, MOST_TARGET);
      }
      this.next = now + LEAD + this.target;
      fade = true;
    }
    this.queue = this.next - now;
    this.slack = Math.min(this.slack, this.queue);
    if (now >= this.windowEnd) this.#adjust(now);
    const length = left.length / rate;
    if (this.skip > 0) {
      this.skip -= length;
      this.skipped += length;
      this.faded = true;
      return;
    }
    if (this.faded) fade = true;
    this.faded = false;
    this.#schedule(rate, [left, right], fade);
    this.next += length / this.speed;
  }

  // adjust looks back at a window: the slack it had decides the speed of the next one.
  #adjust(now) {
    const excess = this.slack - this.target;
    if (excess > SKIP_ABOVE) {
      this.skip = excess;
      this.speed = 1;
    } else {
      this.speed = Math.abs(excess) < 0.004 ? 1 : 1 + Math.max(-0.005, Math.min(excess / 4, 0.02));
    }
    if (this.calm) this.target = Math.max(FIRST_TARGET, this.target - CALM_STEP);
    this.#window(now);
  }

  #schedule(rate, channels, fade) {
    const buffer = this.context.createBuffer(channels.length, channels[0].length, rate);
    channels.forEach((samples, i) => {
      const data = buffer.getChannelData(i);
      data.set(samples);
      if (fade) for (let j = 0; j < FADE; j++) data[j] *= j / FADE;
    });
    const source = this.context.createBufferSource();
    source.buffer = buffer;
    source.playbackRate.value = this.speed;
    source.connect(this.output);
    source.start(this.next);
  }
}
