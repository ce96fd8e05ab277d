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
  throw Object.assign(new Error(error ?? `${answer.status} ${answer.statusText}`), { status: answer.status });
}

// list returns {path, entries: [{name, folder, size, modified}], truncated}.
export async function list(path) {
  return (await ask(path)).json();
}

// make makes a folder, and those on the way to it; one that is there is good too.
export async function make(path) {
  await ask(path, { method: "PUT" });
}

export async function rename(path, to) {
  await ask(path, { method: "PATCH", body: JSON.stringify({ path: to }) });
}

export async function remove(path) {
  await ask(path, { method: "DELETE" });
}
