import { gzipSync } from "node:zlib";
import type { Plugin, Rollup } from "vite";

const kb = (bytes: number) => `${(bytes / 1024).toFixed(1).padStart(7)} KB`;

/** The package that a module belongs to; the page's own code is `web/src`. */
function owner(module: string): string {
  const inside = module.split("node_modules/").at(-1);
  if (inside === undefined || inside === module) return "web/src";
  const [scope = "", name = ""] = inside.split("/");
  return scope.startsWith("@") ? `${scope}/${name}` : scope;
}

/** Packages smaller than this are told as one (bytes). */
const SMALL = 10_000;

/** What each package adds to a chunk, before it is minified, the largest first. */
function contents(chunk: Rollup.OutputChunk): [string, number][] {
  const totals = new Map<string, number>();
  for (const [module, { renderedLength }] of Object.entries(chunk.modules)) {
    totals.set(owner(module), (totals.get(owner(module)) ?? 0) + renderedLength);
  }
  const large = [...totals].filter(([, bytes]) => bytes >= SMALL).sort(([, a], [, b]) => b - a);
  const rest = [...totals].filter(([, bytes]) => bytes < SMALL);
  return [...large, [`${rest.length} smaller packages`, rest.reduce((sum, [, bytes]) => sum + bytes, 0)]];
}

/** Prints how large the built page is and what is in it. */
export function sizes(): Plugin {
  return {
    name: "sizes",
    apply: "build",
    writeBundle(_options, bundle) {
      let total = 0;
      for (const file of Object.values(bundle)) {
        const source = file.type === "chunk" ? file.code : file.source;
        const bytes = Buffer.from(source);
        const packed = gzipSync(bytes).length;
        total += packed;
        console.log(`${kb(bytes.length)}  gzip ${kb(packed)}  ${file.fileName}`);
        if (file.type !== "chunk") continue;
        for (const [name, size] of contents(file)) console.log(`            before minifying ${kb(size)}  ${name}`);
      }
      console.log(`       all  gzip ${kb(total)}`);
    },
  };
}
