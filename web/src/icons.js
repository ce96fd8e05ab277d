// The pictures beside the words.
import { svg } from "./dom.js";

const PATHS = {
  ghostaux: ["M5 20.5V11a7 7 0 0 1 14 0v9.5l-2.3-1.8-2.4 1.8-2.3-1.8-2.3 1.8-2.4-1.8z", "M9.6 11v.01M14.4 11v.01"],
  audioout: ["M4 9.5v5h3.5l4.5 4v-13l-4.5 4z", "M15.5 9a4.2 4.2 0 0 1 0 6M18 6.5a8 8 0 0 1 0 11"],
  audioin: ["M12 3.5a2.8 2.8 0 0 1 2.8 2.8v5a2.8 2.8 0 0 1-5.6 0v-5A2.8 2.8 0 0 1 12 3.5z", "M6 11a6 6 0 0 0 12 0M12 17v3.5"],
  upload: ["M3.5 6.5A1.5 1.5 0 0 1 5 5h4l2 2.5h8A1.5 1.5 0 0 1 20.5 9v8.5A1.5 1.5 0 0 1 19 19H5a1.5 1.5 0 0 1-1.5-1.5z"],
  gamepad: ["M7.5 7h9a5 5 0 0 1 4.8 4.2l.6 4a2.3 2.3 0 0 1-4.1 1.7L16 14.5H8l-1.8 2.4a2.3 2.3 0 0 1-4.1-1.7l.6-4A5 5 0 0 1 7.5 7z", "M8 9.3v3M6.5 10.8h3M15.5 9.9v.01M17.4 11.8v.01"],
  printer: ["M7 9V4h10v5M7 17H5a1.5 1.5 0 0 1-1.5-1.5v-5A1.5 1.5 0 0 1 5 9h14a1.5 1.5 0 0 1 1.5 1.5v5A1.5 1.5 0 0 1 19 17h-2", "M7 14h10v6.5H7z"],
  smartcard: ["M5 5.5h14A1.5 1.5 0 0 1 20.5 7v10a1.5 1.5 0 0 1-1.5 1.5H5A1.5 1.5 0 0 1 3.5 17V7A1.5 1.5 0 0 1 5 5.5z", "M7 9.5h4.5v5H7zM9.2 9.5v5M14.5 10h3M14.5 13h3"],
  folder: ["M3.5 6.5A1.5 1.5 0 0 1 5 5h4l2 2.5h8A1.5 1.5 0 0 1 20.5 9v8.5A1.5 1.5 0 0 1 19 19H5a1.5 1.5 0 0 1-1.5-1.5z"],
  file: ["M7 3.5h6.5L18 8v12.5H7a1 1 0 0 1-1-1v-15a1 1 0 0 1 1-1z", "M13.5 3.5V8H18"],
  drop: ["M12 15.5V5M8 8.5L12 4.5l4 4", "M4.5 15v3A1.5 1.5 0 0 0 6 19.5h12a1.5 1.5 0 0 0 1.5-1.5v-3"],
};

// icon is for the eye only: what it means is said beside it.
export function icon(name) {
  return svg("svg", { class: `icon icon-${name}`, viewBox: "0 0 24 24", "aria-hidden": "true" }, ...PATHS[name].map((d) => svg("path", { d })));
}
