// Runs the code of deployed CloudFront functions: one request a line on stdin ({code, request}), what it made of it a line on stdout.
// The runtime at the edge is JavaScript with a module `cloudfront`; of that module it needs the choice of another origin.
import { createInterface } from "node:readline";

for await (const line of createInterface({ input: process.stdin })) {
  const { code, request } = JSON.parse(line);
  let origin = null;
  const cf = { selectRequestOriginById: (id) => { origin = id; } };
  const handler = new Function("cf", `${code.replace(/^import cf from 'cloudfront';/m, "")}\nreturn handler;`)(cf);
  const made = handler({ version: "1.0", context: { eventType: "viewer-request" }, viewer: { ip: "127.0.0.1" }, request });
  process.stdout.write(`${JSON.stringify({ origin, ...(made.statusCode ? { answer: made } : { request: made }) })}\n`);
}
