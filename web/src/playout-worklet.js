// Plays the sound in the audio thread, which the page's own work does not hold up.
import { Playout } from "./playout.js";

const REPORT = 0.1; // seconds between two reports

class Player extends AudioWorkletProcessor {
  constructor() {
    super();
    this.playout = new Playout(sampleRate);
    this.reported = 0;
    this.port.onmessage = ({ data }) => (data ? this.playout.push(...data) : this.playout.pause());
  }

  process(_, [[left, right]]) {
    this.playout.pull(left, right);
    if (currentTime - this.reported >= REPORT) {
      this.reported = currentTime;
      const { queue, gaps, skipped } = this.playout;
      this.port.postMessage({ queue, gaps, skipped });
    }
    return true;
  }
}

registerProcessor("ghostaux-player", Player);
