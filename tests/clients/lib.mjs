// What the scenarios share: clients, tokens, watched queries, and a TCP proxy that cuts, delays and listens in.
import { createPrivateKey, sign } from "node:crypto";
import { readFileSync } from "node:fs";
import net from "node:net";
import { createInterface } from "node:readline";
import { ConvexClient, ConvexHttpClient } from "convex/browser";
import { anyApi } from "convex/server";
import { WebSocket } from "ws";
import { largeFrames } from "../../sdk/js/concave-transport/index.js";

export const api = anyApi.scenarios;
export const chat = anyApi.chat;

/** Where the proxy listens; the server allows this host (ALLOWED_HOSTS), as it checks whom a request is for. */
const ROAD = "127.0.0.2";

/** A name nobody else uses, so that scenarios share a server. */
export const fresh = (word) => `${word}-${crypto.randomUUID().slice(0, 8)}`;

/** Set by run.mjs: the options of our transport, when the scenario is to run over it. */
export const over = { transport: null };
export const transport = (options = {}) => largeFrames({ WebSocket, info: () => {}, ...options });
export const open = (url, options = {}) =>
  new ConvexClient(url, { logger: false, ...(over.transport && { webSocketConstructor: transport(over.transport) }), ...options });
export const http = (url) => new ConvexHttpClient(url, { logger: false });

export function check(holds, text) {
  if (!holds) throw new Error(text);
}

export const same = (one, two, text) =>
  check(JSON.stringify(one) === JSON.stringify(two), `${text}: ${JSON.stringify(one)} is not ${JSON.stringify(two)}`);

/** The rejection of a promise; a promise that holds is an error here. */
export async function refused(promise) {
  let value;
  try {
    value = await promise;
  } catch (error) {
    return error;
  }
  throw new Error(`this should have been refused, and gave ${JSON.stringify(value)}`);
}

/** Resolves when `holds()`; the last resort where nothing tells us of a change. */
export async function until(holds, what, ms = 20000) {
  const end = Date.now() + ms;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`waited ${ms} ms in vain for ${what}`);
    await new Promise((go) => setTimeout(go, 10));
  }
}

/** A subscription that remembers all its values and errors, and lets one wait for a value. */
export function watch(client, query, args) {
  const seen = { values: [], errors: [], waiting: [] };
  const tell = () => { seen.waiting = seen.waiting.filter((each) => !each()); };
  seen.leave = client.onUpdate(
    query, args,
    (value) => { seen.values.push(value); tell(); },
    (error) => { seen.errors.push(error); tell(); },
  );
  seen.until = (holds, what = "a value", ms = 20000) => new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`waited ${ms} ms for ${what}; last ${JSON.stringify(seen.values.at(-1))}`)), ms);
    const look = () => {
      if (!holds(seen)) return false;
      clearTimeout(timer);
      resolve(seen.values.at(-1));
      return true;
    };
    if (!look()) seen.waiting.push(look);
  });
  seen.is = (value, ms) => seen.until((all) => all.values.length && all.values.at(-1) === value, `the value ${value}`, ms);
  return seen;
}

/** A token from the development issuer. */
export async function token(url, subject, org = "acme") {
  const answer = await fetch(`${url}/dev/token`, { method: "POST", body: JSON.stringify({ subject, org }) });
  return (await answer.json()).token;
}

/** A token with times of our choice, signed with the development issuer's key from the server's data folder. */
export async function forged(url, folder, subject, { iat = 0, exp = 3600, org = "acme" } = {}) {
  const key = (await (await fetch(`${url}/.well-known/jwks.json`)).json()).keys[0];
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: "concave-dev", aud: "concave", sub: subject, org, iat: now + iat, exp: now + exp };
  const text = [{ alg: "ES256", kid: key.kid, typ: "JWT" }, claims].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".");
  const pem = createPrivateKey(readFileSync(`${folder}/issuer.pem`));
  return `${text}.${sign("sha256", Buffer.from(text), { key: pem, dsaEncoding: "ieee-p1363" }).toString("base64url")}`;
}

/** Tell the test that drives us something, as a line of JSON. */
export const say = (value) => console.log(JSON.stringify(value));

let lines;
/** The next line that the test says. */
export async function hear() {
  lines ??= createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  return (await lines.next()).value;
}

/**
 * A TCP proxy in front of the server. `cut()` ends all connections at once; `deaf = true` loses what the server says;
 * `jitter` delays every chunk by up to so many ms (order is kept); `count` counts connections; `heard(text)` is the
 * number of server frames that contain the text, with the times in `times`; `bytes` counts what the server sent.
 */
export async function proxy(url) {
  const { hostname, port } = new URL(url);
  const pairs = new Set();
  const state = { deaf: false, jitter: 0, count: 0, down: "", bytes: 0, up: 0, times: [], onDown: () => {} };
  const pass = (from, to, tap) => {
    let turn = Promise.resolve();
    from.on("data", (data) => {
      if (tap(data)) return;
      if (!state.jitter) return void to.write(data);
      turn = turn.then(() => new Promise((go) => setTimeout(go, Math.random() * state.jitter))).then(() => to.destroyed || to.write(data));
    });
    from.on("error", () => to.destroy());
    from.on("close", () => turn.then(() => to.destroy()));
  };
  const server = net.createServer((near) => {
    const far = net.connect(Number(port), hostname);
    const pair = { near, far };
    pairs.add(pair);
    state.count += 1;
    near.on("close", () => pairs.delete(pair));
    pass(near, far, (data) => { state.up = Math.max(state.up, data.length); return false; });
    pass(far, near, (data) => {
      const text = data.toString("latin1");
      state.bytes += data.length;
      state.down = (state.down + text).slice(-1_000_000);
      state.onDown(text);
      return state.deaf;
    });
  });
  await new Promise((go) => server.listen(0, ROAD, go));
  state.url = `http://${ROAD}:${server.address().port}`;
  state.cut = () => { for (const { near, far } of pairs) { near.destroy(); far.destroy(); } };
  state.heard = (text) => state.down.split(text).length - 1;
  return state;
}
