// Bundles src/ into dist/, which the Go binary embeds.
import { cp, mkdir, readdir, rm } from "node:fs/promises";
import { build } from "esbuild";

await mkdir("dist", { recursive: true });
for (const name of await readdir("dist")) {
  if (name !== ".gitkeep") await rm(`dist/${name}`, { recursive: true });
}
await build({
  entryPoints: ["src/main.js"],
  outdir: "dist",
  bundle: true,
  minify: true,
  format: "esm",
  target: ["chrome100", "firefox100", "safari15.4"],
  legalComments: "linked",
});
await cp("src/index.html", "dist/index.html");
await cp("src/style.css", "dist/style.css");
