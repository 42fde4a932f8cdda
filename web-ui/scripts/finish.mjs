// After Vite: compresses each file once and fails when the first load is over its budget.
import { readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants } from "node:zlib";

const BUDGET = 350_000;
const dist = new URL("../dist/", import.meta.url).pathname;

function* files(folder) {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) yield* files(path);
    else if (!name.endsWith(".br") && name !== "manifest.json") yield path;
  }
}

const sizes = new Map();
for (const path of files(dist)) {
  if (!/\.(js|css|html|svg)$/.test(path)) { sizes.set(path.slice(dist.length), statSync(path).size); continue; }
  const small = brotliCompressSync(readFileSync(path), { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } });
  writeFileSync(`${path}.br`, small);
  sizes.set(path.slice(dist.length), small.length);
}

// The first load: the page, what it names, the overview that follows with all it imports, and the upright fonts that the style asks for.
const html = readFileSync(join(dist, "index.html"), "utf8");
if (/<style|<script(?![^>]*\bsrc=)|\son\w+=|https?:\/\//i.test(html)) throw new Error("dist/index.html has inline script or style, or names another host");
const manifestFile = join(dist, ".vite/manifest.json");
const manifest = JSON.parse(readFileSync(manifestFile, "utf8"));
const first = new Set(["index.html"]);
const follow = (key) => {
  const chunk = manifest[key];
  if (!chunk) throw new Error(`Vite's manifest has no ${key}: name the files of the first load anew in scripts/finish.mjs`);
  if (first.has(chunk.file)) return;
  first.add(chunk.file);
  for (const style of chunk.css ?? []) first.add(style);
  for (const inner of chunk.imports ?? []) follow(inner);
};
follow("index.html");
follow("src/pages/Overview.tsx");
for (const font of [/^assets\/RedHatTextVF-(?!Italic).*\.woff2$/, /^assets\/RedHatDisplayVF-(?!Italic).*\.woff2$/]) {
  const name = [...sizes.keys()].find((n) => font.test(n));
  if (!name) throw new Error(`nothing in dist is ${font}: name the fonts of the first load anew in scripts/finish.mjs`);
  first.add(name);
}
const total = [...first].reduce((sum, name) => {
  const size = sizes.get(name);
  if (size === undefined) throw new Error(`the first load has ${name}, which was not built`);
  return sum + size;
}, 0);
rmSync(join(dist, ".vite"), { recursive: true });
console.log(`first load: ${total} octets compressed (${first.size} files; at most ${BUDGET})`);
if (total > BUDGET) throw new Error(`the first load has ${total} octets compressed, ${BUDGET} are allowed: load more of it by route`);
