// The files in the upload directory.
import { address } from "./channel.js";

const encode = (path) => path.split("/").map(encodeURIComponent).join("/");

export function fileAddress(path) {
  return address(`uploads/folder/${encode(path)}`);
}

async function ask(path, options = {}) {
  const answer = await fetch(fileAddress(path), { cache: "no-store", headers: { Accept: "application/json" }, ...options });
  if (answer.ok) return answer;
  const { error } = await answer.json().catch(() => ({}));
  throw new Error(error ?? `${answer.status} ${answer.statusText}`);
}

// list returns {path, entries: [{name, folder, size, modified}], truncated}.
export async function list(path) {
  return (await ask(path)).json();
}

export async function rename(path, to) {
  await ask(path, { method: "PATCH", body: JSON.stringify({ path: to }) });
}

export async function remove(path) {
  await ask(path, { method: "DELETE" });
}
