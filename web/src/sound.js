// The desktop's sound.
import { Channel } from "./channel.js";
import { Mp2 } from "./mp2.js";
import { startPlayer } from "./player.js";
import { load, save } from "./settings.js";

// What a sample has waited for before it comes to this page, in ms: PulseAudio's fragment, the rest of an MP2 frame and
// the encoder. Measured with ghostaux's own ffmpeg; a page cannot know it.
const SOURCE_MS = 47;
const RATE = 44100; // samples a second, until the stream tells
const SILENT_MS = 1000; // without a message, nobody sends
const CHECK_MS = 500;
const CLICK_MS = 1000; // from the gesture that lets the browser play to the click that it is a part of

// Sound dispatches "change" when its state does: "off", "blocked" (by the browser, until a click), "connecting",
// "waiting" (for the desktop), "playing".
export class Sound extends EventTarget {
  constructor(events) {
    super();
    this.events = events;
    this.state = "off";
    this.volume = load("sound.volume", 1);
    this.muted = load("sound.muted", false);
    this.speaker = load("sound.speaker", "");
    this.droppedMs = 0;
    this.rate = RATE;
    this.unblockedAt = -Infinity;
    this.channel = new Channel("audio/", {
      opened: () => this.#opened(),
      message: (data) => this.#message(data),
      closed: () => this.#closed(),
    });
    events.addEventListener("ready", ({ detail }) => detail === "audioout" && this.channel.poke());
    for (const event of ["pointerup", "keydown"]) addEventListener(event, () => this.#unblock(), true);
    document.addEventListener("visibilitychange", () => this.context?.resume().catch(() => {}));
  }

  get wanted() {
    return this.channel.wanted;
  }

  get supported() {
    return "AudioContext" in globalThis;
  }

  // resume plays when it did so at the last visit.
  resume() {
    if (load("sound.on", false)) this.start();
  }

  start() {
    if (this.wanted || !this.supported) return;
    save("sound.on", true);
    this.#context(RATE);
    this.channel.open();
    this.timer = setInterval(() => this.#look(), CHECK_MS);
    this.#look();
  }

  stop() {
    save("sound.on", undefined);
    this.channel.close();
    clearInterval(this.timer);
    this.context?.close();
    this.context = this.player = this.analyser = undefined;
    this.#look();
  }

  // press is what the button does. A click that the browser has waited for is not meant to stop the sound.
  press() {
    if (!this.wanted) this.start();
    else if (performance.now() - this.unblockedAt > CLICK_MS) this.stop();
  }

  setVolume(volume) {
    this.volume = Math.max(0, Math.min(volume, 1));
    save("sound.volume", this.volume);
    this.#gain();
  }

  setMuted(muted) {
    this.muted = muted;
    save("sound.muted", muted);
    this.#gain();
  }

  async setSpeaker(id) {
    this.speaker = id;
    save("sound.speaker", id);
    await this.context?.setSinkId?.(id).catch(() => {}); // unplugged: the default goes on
  }

  // speakers are the outputs that this page may choose from; none where the browser has no choice.
  async speakers() {
    if (!("setSinkId" in (globalThis.AudioContext?.prototype ?? {})) || !navigator.mediaDevices) return [];
    const devices = await navigator.mediaDevices.enumerateDevices();
    return devices.filter(({ kind, deviceId }) => kind === "audiooutput" && deviceId && deviceId !== "default");
  }

  // figures are what can be said of the sound now. Delay is from the desktop's sink to this computer's speaker.
  figures() {
    const { queue, gaps, skipped } = this.player?.figures ?? { queue: 0, gaps: 0, skipped: 0 };
    const droppedMs = this.droppedMs + (1000 * skipped) / this.rate;
    if (this.state !== "playing") return { delayMs: 0, queueMs: 0, outputMs: 0, gaps, droppedMs };
    const queueMs = (1000 * queue) / this.rate;
    const outputMs = 1000 * (this.context.outputLatency || this.context.baseLatency || 0);
    return { delayMs: SOURCE_MS + this.#networkMs() + queueMs + outputMs, queueMs, outputMs, gaps, droppedMs };
  }

  // level is the loudness now, 0 to 1.
  level() {
    if (!this.analyser) return 0;
    this.analyser.getFloatTimeDomainData(this.samples);
    let sum = 0;
    for (const sample of this.samples) sum += sample * sample;
    return Math.sqrt((2 * sum) / this.samples.length);
  }

  // networkMs is half of the shortest round trip that ghostaux has measured of any player of this page's address.
  #networkMs() {
    const trips = (this.events.service("audioout")?.detail?.players ?? []).map((player) => player.rtt_ms).filter((ms) => ms > 0);
    return trips.length ? Math.min(...trips) / 2 : 0;
  }

  // context makes the AudioContext at the stream's own rate, so that blocks fit together without resampling.
  #context(rate) {
    this.context?.close();
    const context = new AudioContext({ sampleRate: rate, latencyHint: "interactive" });
    const gain = context.createGain();
    const analyser = context.createAnalyser();
    analyser.fftSize = 1024;
    gain.connect(context.destination);
    gain.connect(analyser);
    this.samples = new Float32Array(analyser.fftSize);
    Object.assign(this, { context, gain, analyser, rate, player: undefined });
    startPlayer(context, gain).then((player) => {
      if (context === this.context) this.player = player;
    });
    this.#gain(true);
    if (this.speaker) this.setSpeaker(this.speaker);
    context.onstatechange = () => this.#look();
  }

  #gain(atOnce) {
    if (!this.gain) return;
    const volume = this.muted ? 0 : this.volume ** 2; // even steps for the ear
    if (atOnce) this.gain.gain.value = volume;
    else this.gain.gain.setTargetAtTime(volume, this.context.currentTime, 0.01);
    this.dispatchEvent(new Event("change"));
  }

  #unblock() {
    if (!this.wanted || this.context?.state === "running") return;
    this.unblockedAt = performance.now();
    this.context?.resume().catch(() => {});
  }

  #opened() {
    this.decoder = new Mp2({
      frame: (rate, left, right) => this.#frame(rate, left, right),
      dropped: (seconds) => { this.droppedMs += 1000 * seconds; },
    });
    this.openedAt = performance.now();
    this.#look();
  }

  #message(data) {
    this.heardAt = performance.now();
    this.decoder.write(data);
    if (this.state !== "playing") this.#look();
  }

  #frame(rate, left, right) {
    if (rate !== this.rate) this.#context(rate);
    if (this.context.state !== "running") return;
    this.player?.push(left, right); // what comes before the player is there, is old by then
  }

  #closed() {
    this.heardAt = undefined;
    this.player?.pause();
    this.#look();
  }

  // look finds the state.
  #look() {
    const state = this.#find();
    if (state === this.state) return;
    if (this.state === "playing") this.player?.pause();
    this.state = state;
    this.dispatchEvent(new Event("change"));
  }

  #find() {
    if (!this.wanted) return "off";
    if (this.context.state !== "running") return "blocked";
    if (!this.channel.isOpen) return "connecting";
    return performance.now() - (this.heardAt ?? -Infinity) < SILENT_MS ? "playing" : "waiting";
  }
}
