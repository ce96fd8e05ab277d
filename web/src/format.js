// Numbers as people read them, in the language of the browser.
const UNITS = ["B", "kB", "MB", "GB", "TB"];

export function bytes(count) {
  let unit = 0;
  for (; count >= 999.5 && unit < UNITS.length - 1; unit++) count /= 1000;
  return `${count.toLocaleString(undefined, { maximumFractionDigits: unit > 0 && count < 99.5 ? 1 : 0 })} ${UNITS[unit]}`;
}

export function duration(seconds) {
  const s = Math.ceil(seconds);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  return `${Math.floor(s / 3600)} h ${Math.round((s % 3600) / 60)} min`;
}

// moment is the time of today, and the date of other days.
export function moment(date) {
  const then = new Date(date);
  if (then.toDateString() === new Date().toDateString()) return then.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" });
  return then.toLocaleDateString(undefined, { dateStyle: "medium" });
}
