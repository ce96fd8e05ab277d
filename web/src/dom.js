// el makes an element: properties that begin with on are listeners, others are attributes (true is an empty one, and
// false, null and undefined are none).
export function el(tag, properties = {}, ...children) {
  return fill(document.createElement(tag), properties, children);
}

// svg is el for pictures.
export function svg(tag, properties = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), properties, children);
}

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else attribute(element, name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export function attribute(element, name, value) {
  const now = element.getAttribute(name);
  if (value === false || value === null || value === undefined) {
    if (now !== null) element.removeAttribute(name);
  } else if (now !== String(value === true ? "" : value)) {
    element.setAttribute(name, value === true ? "" : value);
  }
}

// say sets a text only when it is another, so that screen readers are not told the same again.
export function say(element, words) {
  if (element.textContent !== words) element.textContent = words;
}

// prose is say for words with `commands` in them.
export function prose(element, words) {
  if (element.textContent === words.replaceAll("`", "")) return;
  element.replaceChildren(...words.split("`").map((part, i) => (i % 2 ? el("code", {}, part) : part)));
}

// field is a labelled control.
export function field(label, control, className = "field") {
  return el("label", { class: className }, el("span", {}, label), control);
}

// toggle is a labelled switch.
export function toggle(label, checked, change) {
  const box = el("input", { type: "checkbox", onchange: () => change(box.checked) });
  box.checked = checked;
  return el("label", { class: "switch" }, box, el("span", {}, label));
}

// Meter shows a level from 0 to 1.
export class Meter {
  constructor(label) {
    this.bar = el("span");
    this.element = el("div", { class: "meter", role: "meter", "aria-label": label, "aria-valuemin": 0, "aria-valuemax": 100, "aria-valuenow": 0 }, this.bar);
    this.level = 0;
  }

  show(level) {
    this.level = Math.max(level, this.level * 0.85); // falls slowly, so that the eye can follow
    const shown = this.level < 0.001 ? 0 : Math.min(1, 1 + Math.log10(this.level) / 3); // 60 dB
    this.bar.style.transform = `scaleX(${(1 - shown).toFixed(3)})`; // hides what the level has not reached
    attribute(this.element, "aria-valuenow", Math.round(shown * 20) * 5);
  }
}

// eachFrame calls f before each repaint while the element is in the page.
export function eachFrame(element, f) {
  const step = () => {
    if (element.isConnected) f();
    requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
}
