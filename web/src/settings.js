// What a person has chosen, kept in this browser. Where storing is not allowed, it is kept until the page goes.
const kept = new Map();
const key = (name) => `ghostaux.${name}`;

export function load(name, otherwise) {
  try {
    const value = localStorage.getItem(key(name));
    return value === null ? otherwise : JSON.parse(value);
  } catch {
    return kept.has(name) ? kept.get(name) : otherwise;
  }
}

export function save(name, value) {
  kept.set(name, value);
  try {
    if (value === undefined) localStorage.removeItem(key(name));
    else localStorage.setItem(key(name), JSON.stringify(value));
  } catch {
    // the map has it
  }
}
