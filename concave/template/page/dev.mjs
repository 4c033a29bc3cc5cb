// The page while it is written, as a child of `concave dev`: `node dev.mjs http://127.0.0.1:3210`.
// It says its port in one line, and ends when its standard input does, which is when its parent ends.
import { createServer as listener } from "node:net";
import { createServer } from "vite";

process.stdin.resume();
process.stdin.on("end", () => process.exit());

const port = await new Promise((found) => {
  const probe = listener().listen(0, "127.0.0.1", () => {
    const { port } = probe.address();
    probe.close(() => found(port));
  });
});
// Modules come through the backend's address; only the socket for hot updates goes straight to this port.
const ws = { clientPort: port };
const server = await createServer({ server: { port, strictPort: true, ws }, clearScreen: false, logLevel: "warn" });
await server.listen();
console.log(JSON.stringify({ port }));
