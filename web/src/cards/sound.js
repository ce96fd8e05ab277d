import { attribute, eachFrame, el, field, Meter, say } from "../dom.js";
import { text } from "../text.js";
import { Card, options } from "./card.js";

const words = text.sound;
const FIGURES_MS = 500;

export function soundCard({ events, sound }) {
  const card = new Card("audioout", events);
  const play = el("button", { class: "primary", type: "button", id: "play", onclick: () => sound.press() });
  const state = el("p", { class: "status", id: "sound-state", role: "status" });
  const volume = el("input", { type: "range", min: 0, max: 1, step: 0.01, oninput: () => sound.setVolume(Number(volume.value)) });
  const mute = el("button", { type: "button", class: "quiet", "aria-pressed": "false", onclick: () => sound.setMuted(!sound.muted) }, words.mute);
  const speaker = el("select", { onchange: () => sound.setSpeaker(speaker.value) });
  const speakerField = field(words.speaker, speaker);
  const meter = new Meter(words.level);
  const figures = new Figures();
  card.body.append(
    el("div", { class: "row" }, play, state),
    meter.element,
    el("div", { class: "row" }, field(words.volume, volume, "field grow"), mute),
    speakerField,
    figures.element,
  );

  const show = () => {
    say(play, sound.wanted && sound.state !== "blocked" ? words.stop : words.play);
    play.disabled = !sound.supported;
    say(state, sound.supported ? words[sound.state] : words.unsupported);
    if (document.activeElement !== volume) volume.value = sound.volume;
    attribute(mute, "aria-pressed", String(sound.muted));
  };
  const speakers = async () => {
    const list = await sound.speakers();
    speakerField.hidden = list.length === 0;
    options(speaker, words.defaultSpeaker, list, sound.speaker);
  };
  sound.addEventListener("change", show);
  navigator.mediaDevices?.addEventListener?.("devicechange", speakers);
  eachFrame(meter.element, () => (sound.state === "playing" || meter.level > 0.0001) && meter.show(sound.level()));
  setInterval(() => figures.show(sound), FIGURES_MS);
  show();
  speakers();
  figures.show(sound);
  return card;
}

// Figures are what the sound's state is in numbers.
class Figures {
  constructor() {
    this.values = ["delay", "gaps", "dropped"].map((name) => [name, el("dd", { id: `sound-${name}` })]);
    this.element = el("dl", { class: "figures" }, ...this.values.map(([name, value]) => el("div", {}, el("dt", { title: words.means[name] }, words[name]), value)));
  }

  show(sound) {
    const { delayMs, gaps, droppedMs } = sound.figures();
    const shown = { delay: delayMs ? `${Math.round(delayMs)} ms` : "–", gaps: String(gaps), dropped: `${(droppedMs / 1000).toFixed(1)} s` };
    for (const [name, value] of this.values) say(value, shown[name]);
  }
}
