// Bundles src/ into dist/, which the Go binary embeds: the page, the worklet of the microphone, and the panel for other
// pages, each also compressed.
import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

// Of jsmpeg-player the page needs the demuxer and the decoder. The rest would put styles into the page, which its
// policy forbids, and carries a WebAssembly decoder that gains nothing for sound.
const soundOnly = {
  name: "jsmpeg-sound-only",
  setup(build) {
    build.onLoad({ filter: /jsmpeg-player\.js$/ }, async ({ path }) => {
      let text = await readFile(path, "utf8");
      for (const [what, instead] of [
        ["target.appendChild(style);", ""],
        [/default"\] = \('[A-Za-z0-9+/=]{1000,}'/, `default"] = (''`],
      ]) {
        const next = text.replace(what, instead);
        if (next === text) throw new Error(`jsmpeg-player has changed: ${what} is not in it`);
        text = next;
      }
      return { contents: text, loader: "js" };
    });
  },
};

// What is not for development may end up in the bundle, as jsmpeg-player's own bundle has its dependencies in it: its licences
// go along. Nothing else may be bundled, since the SBOM is made of the same list.
const packages = Object.entries(JSON.parse(await readFile("package-lock.json", "utf8")).packages);
const bundled = packages.filter(([path, entry]) => path && !entry.dev).map(([path]) => path);
function onlyBundled({ metafile }) {
  for (const input of Object.keys(metafile.inputs)) {
    if (input.startsWith("node_modules/") && !bundled.some((path) => input.startsWith(`${path}/`))) {
      throw new Error(`${input} is bundled, and its package is none of the dependencies in package.json`);
    }
  }
}

await mkdir("dist", { recursive: true });
for (const name of await readdir("dist")) {
  if (name !== ".gitkeep") await rm(`dist/${name}`, { recursive: true });
}
onlyBundled(await build({
  metafile: true,
  entryPoints: ["src/main.js", "src/microphone-worklet.js", "src/playout-worklet.js"],
  outdir: "dist",
  bundle: true,
  minify: true,
  format: "esm",
  target: ["chrome100", "firefox100", "safari15.4"],
  legalComments: "linked",
  plugins: [soundOnly],
}));
onlyBundled(await build({
  metafile: true,
  entryPoints: ["src/panel.js"],
  outdir: "dist",
  bundle: true,
  minify: true,
  format: "iife", // one classic script tag, and its currentScript
  target: ["chrome100", "firefox100", "safari15.4"],
}));
await cp("src/index.html", "dist/index.html");
await cp("src/style.css", "dist/style.css");
for (const path of bundled) {
  await cp(`${path}/LICENSE`, `dist/${path.replace(/^.*node_modules\/@?/, "").replace("/", "-")}.LICENSE.txt`);
}
for (const name of await readdir("dist")) {
  if (/\.(html|css|js)$/.test(name)) {
    await writeFile(`dist/${name}.gz`, gzipSync(await readFile(`dist/${name}`), { level: 9 }));
  }
}
