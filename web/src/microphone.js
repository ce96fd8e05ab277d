// The microphone: float32 samples, as they come, to the desktop.
import { address, Channel } from "./channel.js";
import { load, save } from "./settings.js";

const GRACE_MS = 10000; // a lost connection keeps the track so long, lest the browser ask again
const POLICY = 1008; // the close code of a server that says no

// Microphone dispatches "change" when its state does: "off", "asking" (for permission), "connecting", "ready" (for
// push-to-talk), "live", "waiting" (for the desktop; the track is stopped). Problem is a key of the texts, or "".
export class Microphone extends EventTarget {
  constructor(events) {
    super();
    this.events = events;
    this.state = "off";
    this.problem = "";
    this.refusal = "";
    this.wanted = false;
    this.open = true; // all that is said is sent; false: only while talking
    this.talking = false;
    this.device = load("microphone.device", "");
    this.options = load("microphone.options", { echoCancellation: true, noiseSuppression: true, autoGainControl: true });
    this.channel = new Channel(() => `audio_input/?sample_rate=${this.context.sampleRate}`, {
      opened: () => this.#opened(),
      closed: (code, reason) => this.#closed(code, reason),
    });
    events.addEventListener("ready", ({ detail }) => detail === "audioin" && this.#back());
    events.addEventListener("change", () => this.#follow());
  }

  // start turns the microphone on; with open false it sends only while talk(true).
  async start({ open = true } = {}) {
    this.open = open;
    if (this.wanted) return this.#look();
    this.wanted = true;
    this.problem = this.refusal = "";
    await this.#capture();
  }

  stop() {
    this.wanted = this.talking = false;
    this.channel.close();
    this.#release();
    this.#look();
  }

  talk(talking) {
    this.talking = talking;
    this.#look();
  }

  async setDevice(id) {
    this.device = id;
    save("microphone.device", id);
    await this.#again();
  }

  async setOption(name, value) {
    this.options[name] = value;
    save("microphone.options", this.options);
    await this.#again();
  }

  async devices() {
    const devices = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
    return devices.filter(({ kind, deviceId }) => kind === "audioinput" && deviceId && deviceId !== "default");
  }

  level() {
    if (!this.analyser) return 0;
    this.analyser.getFloatTimeDomainData(this.samples);
    let sum = 0;
    for (const sample of this.samples) sum += sample * sample;
    return Math.sqrt((2 * sum) / this.samples.length);
  }

  async #again() {
    if (!this.wanted) return;
    this.channel.close();
    this.#release();
    await this.#capture();
  }

  // capture opens the device and then the connection.
  async #capture() {
    const turn = (this.turn = {});
    if (!navigator.mediaDevices?.getUserMedia || !globalThis.AudioWorkletNode) return this.#fail("insecure");
    this.#set("asking");
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({
        audio: { ...this.options, channelCount: 1, ...(this.device && { deviceId: { exact: this.device } }) },
      });
      if (turn !== this.turn || !this.wanted) return stopTracks(stream);
      await this.#graph(stream, turn);
    } catch (error) {
      stopTracks(stream);
      if (turn === this.turn) this.#fail(error.name);
      return;
    }
    if (turn === this.turn && this.wanted) {
      this.channel.open();
      this.#look();
    }
  }

  async #graph(stream, turn) {
    const context = new AudioContext({ latencyHint: "interactive" });
    await context.audioWorklet.addModule(address("microphone-worklet.js"));
    if (turn !== this.turn || !this.wanted) {
      stopTracks(stream);
      context.close();
      return;
    }
    const source = context.createMediaStreamSource(stream);
    const tap = new AudioWorkletNode(context, "ghostaux-tap", { numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" });
    const analyser = context.createAnalyser();
    analyser.fftSize = 1024;
    source.connect(analyser);
    source.connect(tap);
    tap.port.onmessage = ({ data }) => this.#block(data);
    stream.getAudioTracks()[0].onended = () => this.#fail("NotFoundError"); // unplugged
    context.resume();
    this.samples = new Float32Array(analyser.fftSize);
    Object.assign(this, { stream, context, analyser });
  }

  #block(samples) {
    if (this.state === "live" && this.channel.isOpen && this.channel.socket.bufferedAmount < 1 << 18) this.channel.send(samples.buffer);
  }

  #opened() {
    clearTimeout(this.grace);
    this.#look();
  }

  // closed: the track does not stay open for a server that says no, or is long gone.
  #closed(code, reason) {
    if (code === POLICY) {
      this.refusal = reason;
      this.#fail("refused");
      return;
    }
    if (code === 1013 || code === 1011) {
      this.refusal = reason;
      this.#park();
      return;
    }
    clearTimeout(this.grace);
    this.grace = setTimeout(() => !this.channel.isOpen && this.#park(), GRACE_MS);
    this.#look();
  }

  // park waits without a track until the desktop takes sound again.
  #park() {
    if (!this.wanted) return;
    this.channel.close();
    this.#release();
    this.#look();
    clearTimeout(this.later);
    this.later = setTimeout(() => this.events.works("audioin") && this.#back(), 1500);
  }

  #back() {
    if (!this.wanted) return;
    if (this.stream) this.channel.poke();
    else this.#capture();
  }

  // follow stops what an administrator has switched off meanwhile, and does not record for a desktop that takes no sound.
  #follow() {
    const service = this.events.service("audioin");
    if (!this.wanted || !service) return;
    if (service.control !== "on") this.#fail("refused");
    else if (this.stream && service.state === "degraded") this.#park();
  }

  #release() {
    this.turn = {};
    clearTimeout(this.grace);
    stopTracks(this.stream);
    this.context?.close();
    this.stream = this.context = this.analyser = undefined;
  }

  #fail(problem) {
    this.wanted = this.talking = false;
    this.channel.close();
    this.#release();
    this.problem = problem;
    this.#set("off");
  }

  #look() {
    if (!this.wanted) this.#set("off");
    else if (!this.stream) this.#set("waiting");
    else if (!this.channel.isOpen) this.#set("connecting");
    else this.#set(this.open || this.talking ? "live" : "ready");
  }

  #set(state) {
    this.state = state;
    this.dispatchEvent(new Event("change"));
  }
}

function stopTracks(stream) {
  for (const track of stream?.getTracks() ?? []) {
    track.onended = null;
    track.stop();
  }
}
