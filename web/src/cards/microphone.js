import { attribute, eachFrame, el, field, Meter, say, toggle } from "../dom.js";
import { text } from "../text.js";
import { Card, options } from "./card.js";

const words = text.microphone;

export function microphoneCard({ events, microphone }) {
  const card = new Card("audioin", events);
  const power = el("button", {
    class: "primary", type: "button", id: "microphone",
    onclick: () => (microphone.wanted && microphone.open ? microphone.stop() : microphone.start({ open: true })),
  });
  const talk = talkButton(microphone);
  const state = el("p", { class: "status", id: "microphone-state", role: "status" });
  const device = el("select", { onchange: () => microphone.setDevice(device.value) });
  const meter = new Meter(words.level);
  const option = (label, name) => toggle(label, microphone.options[name], (on) => microphone.setOption(name, on));
  card.body.append(
    el("div", { class: "row" }, power, talk),
    state,
    meter.element,
    field(words.device, device),
    el("div", { class: "switches" }, option(words.echo, "echoCancellation"), option(words.noise, "noiseSuppression"), option(words.gain, "autoGainControl")),
  );

  const show = () => {
    say(power, microphone.wanted && microphone.open ? words.off : words.on);
    attribute(talk, "aria-pressed", String(microphone.talking));
    attribute(card.body, "data-live", microphone.state === "live");
    say(state, described(microphone));
  };
  const devices = async () => options(device, words.defaultDevice, await microphone.devices(), microphone.device);
  microphone.addEventListener("change", show);
  microphone.addEventListener("change", () => microphone.state === "connecting" && devices()); // names are told with the permission
  navigator.mediaDevices?.addEventListener?.("devicechange", devices);
  eachFrame(meter.element, () => (microphone.stream || meter.level > 0.0001) && meter.show(microphone.level()));
  show();
  devices();
  return card;
}

function described({ state, problem, refusal }) {
  if (state === "off" && problem === "refused") return words.refused(refusal);
  if (state === "off" && problem) return words.errors[problem] ?? words.errors.other;
  return words.states[state];
}

// talkButton sends while it is held, by pointer or by key.
function talkButton(microphone) {
  const begin = async () => {
    microphone.talk(true);
    if (!microphone.wanted || microphone.open) await microphone.start({ open: false });
    microphone.talk(microphone.talking);
  };
  const end = () => microphone.talk(false);
  const isTalkKey = ({ key }) => key === " " || key === "Enter";
  return el("button", {
    type: "button", "aria-pressed": "false",
    onpointerdown: (event) => {
      event.currentTarget.setPointerCapture(event.pointerId);
      begin();
    },
    onpointerup: end,
    onpointercancel: end,
    onkeydown: (event) => isTalkKey(event) && !event.repeat && begin(),
    onkeyup: (event) => isTalkKey(event) && end(),
    onblur: end,
  }, words.talk);
}
