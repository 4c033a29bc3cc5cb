// The reference server of Durable Streams, its streams in files. Usage: node durable.mjs FOLDER. Prints `port N`.
import { DurableStreamTestServer } from "@durable-streams/server";

const server = new DurableStreamTestServer({ port: 0, host: "127.0.0.1", dataDir: process.argv[2], compression: false });
console.log(`port ${new URL(await server.start()).port}`);
