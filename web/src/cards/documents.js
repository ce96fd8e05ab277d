import { el, say, toggle } from "../dom.js";
import { bytes, moment } from "../format.js";
import { icon } from "../icons.js";
import { text } from "../text.js";
import { Card } from "./card.js";

const words = text.documents;

export function documentsCard({ events, documents }) {
  const card = new Card("printer", events);
  const note = el("p", { class: "status", role: "status" });
  const list = el("ul", { class: "list", "aria-label": text.titles.printer });
  card.body.append(toggle(words.auto, documents.auto, (on) => documents.setAuto(on)), list, note);
  const print = async (document_) => {
    try {
      await documents.print(document_);
      say(note, "");
    } catch (error) {
      say(note, `${words.failed} ${error.message}`);
    }
  };
  const item = (document_) => {
    const { name, size, completed } = document_;
    const href = documents.address(document_);
    return el(
      "li", {}, icon("file"),
      el(
        "div", { class: "what" },
        el("a", { class: "name", href, target: "_blank", rel: "noopener" }, name),
        el("span", { class: "small" }, `${bytes(size)} · ${moment(completed)}`),
      ),
      el("div", { class: "actions" }, el("button", { type: "button", class: "quiet", "aria-label": `${words.print}: ${name}`, onclick: () => print(document_) }, words.print),
      el("a", { class: "quiet button", href, download: name, "aria-label": `${words.download}: ${name}` }, words.download)),
    );
  };
  const show = () => {
    list.replaceChildren(...documents.list.map(item));
    list.hidden = documents.list.length === 0;
    say(note, documents.list.length === 0 ? words.none : "");
  };
  documents.addEventListener("change", show);
  show();
  return card;
}
