// MP2 in an MPEG transport stream, decoded by jsmpeg-player's demuxer and decoder.
import JSMpeg from "jsmpeg-player";

const AUDIO_STREAM = 0xc0; // the PES stream of ffmpeg's only sound
const FRAME = 1152; // samples of an MP2 frame
const MOST_PTS_JUMP = 60; // seconds; a longer one is another publisher and no loss

// Mp2 calls frame(rate, left, right) for every 1152 samples, whose arrays are its own, and dropped(seconds) for sound
// that was left out on the way.
export class Mp2 {
  constructor({ frame, dropped }) {
    this.demuxer = new JSMpeg.Demuxer.TS({});
    this.decoder = new JSMpeg.Decoder.MP2Audio({ streaming: true });
    this.decoder.connect({ play: (rate, left, right) => this.#frame(rate, left, right) });
    this.demuxer.connect(AUDIO_STREAM, { write: (pts, parts) => this.#packet(pts, parts) });
    this.listener = { frame, dropped };
    this.expected = undefined;
  }

  write(buffer) {
    this.demuxer.write(buffer);
  }

  // packet decodes one PES packet. Its frames are whole, so that nothing is left from one to the next.
  #packet(pts, parts) {
    const { currentLength, totalLength } = this.demuxer.pesPacketInfo[AUDIO_STREAM];
    if (totalLength && currentLength < totalLength) return; // its end was lost
    const bits = this.decoder.bits;
    bits.index = 0;
    bits.byteLength = 0;
    if (this.expected !== undefined) {
      const jump = pts - this.expected;
      if (jump > 0.01 && jump < MOST_PTS_JUMP) this.listener.dropped(jump);
    }
    this.seconds = 0;
    this.decoder.write(pts, parts);
    while (this.decoder.decode());
    this.expected = pts + this.seconds;
  }

  #frame(rate, left, right) {
    this.seconds += FRAME / rate;
    this.listener.frame(rate, left, right);
  }
}
