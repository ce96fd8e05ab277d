import { el, prose, say } from "../dom.js";
import { text } from "../text.js";
import { Card } from "./card.js";

const words = text.smartcard;

export function smartcardCard({ events }) {
  const card = new Card("smartcard", events);
  const rows = ["card", "atr", "reader", "far"].map((name) => [name, el("dd", { "data-fact": name })]);
  const advice = el("p", { class: "small" });
  const facts = el("dl", { class: "facts" }, ...rows.map(([name, value]) => el("div", {}, el("dt", {}, words[name]), value)));
  card.body.append(facts, advice);
  const show = () => {
    const service = events.service("smartcard");
    const detail = service?.detail ?? {};
    const shown = {
      card: detail.card ? words.inserted : words.absent,
      atr: detail.atr?.toUpperCase().replace(/..(?=.)/g, "$& ") ?? "",
      reader: words.readers[detail.reader] ?? "–",
      far: words.fars[detail.far_end] ?? "–",
    };
    for (const [name, value] of rows) {
      say(value, shown[name]);
      value.parentElement.hidden = shown[name] === "";
    }
    const missing = card.condition !== "ready"; // the card says then what
    facts.hidden = missing;
    prose(advice, missing ? "" : detail.advice ?? "");
  };
  events.addEventListener("change", show);
  show();
  return card;
}
