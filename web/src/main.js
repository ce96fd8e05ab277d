// The console: a card for every service, and whether there is a connection.
import { documentsCard } from "./cards/documents.js";
import { filesCard } from "./cards/files.js";
import { gamepadsCard } from "./cards/gamepads.js";
import { microphoneCard } from "./cards/microphone.js";
import { smartcardCard } from "./cards/smartcard.js";
import { soundCard } from "./cards/sound.js";
import { serveParent } from "./bridge.js";
import { el, say } from "./dom.js";
import { Ghostaux } from "./ghostaux.js";
import { icon } from "./icons.js";
import { text } from "./text.js";

// The cards in the order of a narrow screen; wide ones have a column for each group.
const MAKERS = {
  audioout: soundCard,
  audioin: microphoneCard,
  upload: filesCard,
  gamepad: gamepadsCard,
  printer: documentsCard,
  smartcard: smartcardCard,
};

const GROUPS = [["audioout", "audioin"], ["upload"], ["gamepad", "printer", "smartcard"]];

const ghostaux = new Ghostaux();
const { events } = ghostaux;
const cards = new Map();
const grid = document.getElementById("cards");
const link = document.getElementById("link");
grid.append(...GROUPS.map(() => el("div", { class: "column" })));
const nothing = el("p", { class: "note" });

// show has a card for each service that this person may see.
function show() {
  showLink();
  for (const [name, make] of Object.entries(MAKERS)) {
    const service = events.service(name);
    const wanted = service && service.state !== "off" && service.control !== "hidden";
    if (!wanted) {
      cards.get(name)?.element.remove();
      continue;
    }
    if (!cards.has(name)) cards.set(name, make(ghostaux));
    const card = cards.get(name);
    if (!card.element.isConnected) place(name, card);
    card.show();
  }
  if (!events.role) return;
  if (!grid.querySelector(".card")) say(nothing, text.nothing);
  else say(nothing, events.role === "viewer" ? text.role.viewer : "");
  nothing.hidden = nothing.textContent === "";
  if (!nothing.isConnected) grid.after(nothing);
}

// place keeps the order of the group.
function place(name, { element }) {
  const group = GROUPS.find((names) => names.includes(name));
  const later = group.slice(group.indexOf(name) + 1).map((next) => cards.get(next)?.element).find((next) => next?.isConnected);
  grid.children[GROUPS.indexOf(group)].insertBefore(element, later ?? null);
}

function showLink() {
  document.documentElement.dataset.link = events.link;
  if (events.link === "signedOut") {
    if (!link.querySelector("a")) link.replaceChildren(`${text.link.signedOut} `, el("a", { href: "login" }, text.link.signIn));
  } else {
    say(link, text.link[events.link]);
  }
}

// As a frame in another page, the page is a panel: one column, and what has been clicked gives the keyboard back.
if (parent !== window) {
  document.documentElement.classList.add("panel");
  serveParent(ghostaux);
}
addEventListener("dragover", (event) => event.preventDefault()); // a file that misses its place does not replace the page
addEventListener("drop", (event) => event.preventDefault());
events.addEventListener("change", show);
document.querySelector(".top form button").textContent = text.link.signOut;
document.getElementById("name").prepend(icon("ghostaux"));
showLink();
ghostaux.start();
globalThis.ghostaux = ghostaux; // for the console of the browser, and for tests
