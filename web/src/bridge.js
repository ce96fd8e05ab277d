// The page's side of the panel: what a page that holds this one in a frame may ask, and what it is told.
//
// Messages have the member ghostaux, which is the version of this protocol.
//   from the page   {ghostaux: 1, id, call: "sound.start", arguments: [...]}
//   to the page     {ghostaux: 1, id, result} or {ghostaux: 1, id, error: "..."}
//                   {ghostaux: 1, event: "state", detail: {...}} at first and at every change
//                   {ghostaux: 1, event: "document", detail: {name, size}} when something was printed
//                   {ghostaux: 1, event: "release"} when the keyboard belongs to the page again
const VERSION = 1;

// calls are what may be asked.
function calls({ sound, microphone, uploads, gamepads, documents, events }) {
  return {
    "state": () => snapshot({ sound, microphone, uploads, gamepads, documents, events }),
    "sound.start": () => sound.start(),
    "sound.stop": () => sound.stop(),
    "sound.volume": (volume) => sound.setVolume(Number(volume)),
    "sound.mute": (muted) => sound.setMuted(Boolean(muted)),
    "microphone.start": (options) => microphone.start({ open: options?.open !== false }),
    "microphone.stop": () => microphone.stop(),
    "microphone.talk": (talking) => microphone.talk(Boolean(talking)),
    "upload": (files) => uploads.add([...files].map((file) => ({ file, path: file.name }))).length,
  };
}

function snapshot({ sound, microphone, uploads, gamepads, documents, events }) {
  const { size, sent, active } = uploads.totals();
  return {
    link: events.link,
    role: events.role,
    services: [...events.services.values()].map(({ name, control, state, reason, advice }) => ({ name, control, state, reason, advice })),
    sound: { state: sound.state, volume: sound.volume, muted: sound.muted },
    microphone: { state: microphone.state, problem: microphone.problem },
    upload: { active, size, sent },
    gamepads: [...gamepads.pads.values()].map(({ pad, slot }) => ({ id: pad.id, slot })),
    documents: documents.list.map(({ id, name, size, state }) => ({ id, name, size, state })),
  };
}

// serveParent answers the page around this one. Which pages that may be, the policy of ghostaux has said before
// (frame-ancestors), so that they may know the state.
export function serveParent(ghostaux) {
  const tell = (message) => parent.postMessage({ ghostaux: VERSION, ...message }, "*");
  const known = calls(ghostaux);
  addEventListener("message", async ({ source, data }) => {
    if (source !== parent || data?.ghostaux !== VERSION || !data.call) return;
    try {
      if (!Object.hasOwn(known, data.call)) throw new Error(`there is no call ${data.call}`);
      const result = await known[data.call](...(data.arguments ?? []));
      tell({ id: data.id, result });
    } catch (error) {
      tell({ id: data.id, error: error.message });
    }
  });
  let pending = false;
  const changed = () => {
    if (pending) return;
    pending = true;
    setTimeout(() => { // once for all that changes together
      pending = false;
      tell({ event: "state", detail: snapshot(ghostaux) });
    }, 50);
  };
  for (const part of Object.values(ghostaux)) part.addEventListener("change", changed);
  ghostaux.documents.addEventListener("new", ({ detail: { name, size } }) => tell({ event: "document", detail: { name, size } }));
  changed();

  // What is clicked gives the keyboard back; who walks through the panel with the keyboard keeps it.
  const release = () => {
    const typing = document.activeElement?.matches("input[type=text], select");
    if (!typing) tell({ event: "release" });
  };
  addEventListener("click", ({ detail }) => detail > 0 && setTimeout(release));
  addEventListener("change", ({ target }) => target.matches("select, input") && setTimeout(() => tell({ event: "release" })));
}
