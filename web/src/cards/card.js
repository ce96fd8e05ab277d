// The frame of every card: title, state in plain words, what is wrong and what to do about it.
import { attribute, el, say } from "../dom.js";
import { text } from "../text.js";

export class Card {
  constructor(name, events) {
    this.name = name;
    this.events = events;
    this.badge = el("span", { class: "badge" });
    this.reason = el("span", { class: "reason" });
    this.advice = el("span", { class: "advice" });
    this.trouble = el("p", { class: "trouble", role: "status" }, this.reason, this.advice);
    this.body = el("div", { class: "body" });
    this.element = el(
      "section",
      { class: `card ${name}`, "aria-labelledby": `title-${name}` },
      el("div", { class: "head" }, el("h2", { id: `title-${name}` }, text.titles[name]), this.badge),
      this.trouble,
      this.body,
    );
  }

  // show follows the service's state.
  show() {
    const service = this.events.service(this.name);
    const state = condition(service);
    attribute(this.element, "data-state", state);
    say(this.badge, text.state[state]);
    const [reason, advice] = trouble(service, state);
    say(this.reason, reason);
    say(this.advice, advice);
    this.trouble.hidden = !reason && !advice;
    this.body.inert = state === "locked";
  }
}

// condition is the state as a person sees it.
function condition({ control, state, absent }) {
  if (control === "locked") return "locked";
  return state === "degraded" && absent ? "waiting" : state;
}

function trouble({ reason, advice }, state) {
  switch (state) {
    case "locked":
      return [text.locked, ""];
    case "stopped":
      return [text.stopped, ""];
    case "waiting":
    case "degraded":
    case "failed":
      return [sentence(reason), advice ?? ""];
  }
  return ["", ""];
}

function sentence(words) {
  if (!words) return "";
  const whole = words[0].toUpperCase() + words.slice(1);
  return /[.!?]$/.test(whole) ? whole : `${whole}.`;
}

// option lists what can be chosen, keeping the choice.
export function options(select, first, devices, chosen) {
  select.replaceChildren(
    el("option", { value: "" }, first),
    ...devices.map(({ deviceId, label }, i) => el("option", { value: deviceId }, label || `${first} ${i + 2}`)),
  );
  select.value = devices.some(({ deviceId }) => deviceId === chosen) ? chosen : "";
}
