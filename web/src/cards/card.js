// The frame of every card: title, state in plain words, what is wrong and what to do about it.
import { attribute, el, prose, say } from "../dom.js";
import { icon } from "../icons.js";
import { text } from "../text.js";

export class Card {
  constructor(name, events) {
    this.name = name;
    this.events = events;
    this.badge = el("span", { class: "badge" });
    this.headline = el("strong");
    this.reason = el("span", { class: "reason" });
    this.advice = el("span", { class: "advice" });
    this.trouble = el("p", { class: "trouble", role: "status" }, this.headline, this.advice, this.reason);
    this.body = el("div", { class: "body" });
    this.element = el(
      "section",
      { class: `card ${name}`, "aria-labelledby": `title-${name}` },
      el("div", { class: "head" }, el("h2", { id: `title-${name}` }, icon(name), text.titles[name]), this.badge),
      this.trouble,
      this.body,
    );
  }

  get condition() {
    return condition(this.events.service(this.name) ?? {});
  }

  // show follows the service's state.
  show() {
    const service = this.events.service(this.name);
    const state = this.condition;
    attribute(this.element, "data-state", state);
    say(this.badge, text.state[state]);
    const [headline, advice, reason] = trouble(service, state);
    say(this.headline, headline);
    prose(this.advice, advice);
    say(this.reason, reason);
    this.trouble.hidden = !headline;
    this.body.inert = state === "locked";
  }
}

// condition is the state as a person sees it.
function condition({ control, state, absent, detail }) {
  if (control === "locked") return "locked";
  // These have their service wait for what may come back at once: the folder of documents, the reader of cards.
  if (state === "ready" && (detail?.watching === false || detail?.reader === "missing" || detail?.reader_error)) return "waiting";
  return state === "degraded" && absent ? "waiting" : state;
}

// trouble is what is wrong in a few words, what to do about it, and what exactly was found.
function trouble({ name, reason, advice, detail }, state) {
  switch (state) {
    case "locked":
      return [text.locked, "", ""];
    case "stopped":
      return [text.stopped, "", ""];
    case "waiting":
      return [text.waiting[name], advice ?? detail?.advice ?? "", sentence(reason ?? detail?.reader_error)];
    case "degraded":
    case "failed":
      return [text.broken[name], advice ?? "", sentence(reason)];
  }
  return ["", "", ""];
}

function sentence(words) {
  if (!words) return "";
  const whole = words[0].toUpperCase() + words.slice(1);
  return /[.!?]$/.test(whole) ? whole : `${whole}.`;
}

// options lists what can be chosen, keeping the choice.
export function options(select, first, devices, chosen) {
  select.replaceChildren(
    el("option", { value: "" }, first),
    ...devices.map(({ deviceId, label }, i) => el("option", { value: deviceId }, label || `${first} ${i + 2}`)),
  );
  select.value = devices.some(({ deviceId }) => deviceId === chosen) ? chosen : "";
}
