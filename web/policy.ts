import type { Plugin } from "vite";

/** What the built page may load: its own files and its own backend. A second wall behind the cleaning of Markdown. */
const POLICY = {
  "default-src": "'self'",
  "style-src": "'self' 'unsafe-inline'", // alignment of table cells
  "img-src": "'self' data:",
  "object-src": "'none'",
  "base-uri": "'none'",
  "form-action": "'self'",
};

/** Writes the policy into the built index.html. The development server needs inline scripts, and goes without. */
export function policy(): Plugin {
  const content = Object.entries(POLICY)
    .map(([name, value]) => `${name} ${value}`)
    .join("; ");
  return {
    name: "policy",
    apply: "build",
    transformIndexHtml: () => [
      { tag: "meta", attrs: { "http-equiv": "Content-Security-Policy", content }, injectTo: "head-prepend" },
    ],
  };
}
