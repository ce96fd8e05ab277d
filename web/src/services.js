// The list of services with their states, read anew every two seconds.
const EVERY_MS = 2000;

export function showServices(list) {
  let last = "";
  const look = async () => {
    try {
      const answer = await fetch("status", { cache: "no-store" });
      if (answer.status === 401) return location.assign("login");
      const { services } = await answer.json();
      const next = JSON.stringify(services.map(({ name, state, reason, advice }) => [name, state, reason, advice]));
      if (next !== last) list.replaceChildren(...services.map(item));
      last = next;
    } catch {
      list.textContent = "ghostaux does not answer. This page goes on trying.";
      last = "";
    }
    setTimeout(look, EVERY_MS);
  };
  look();
}

function item({ name, state, reason, advice }) {
  const li = document.createElement("li");
  li.append(`${name}: `, span(`state ${state}`, state));
  if (reason) li.append(span("reason", ` ${reason}`));
  if (advice) li.append(span("advice", advice));
  return li;
}

function span(className, text) {
  const element = document.createElement("span");
  element.className = className;
  element.textContent = text;
  return element;
}
