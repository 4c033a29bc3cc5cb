// What does not fit a frame of the socket, over our transport: large calls, many subscriptions, and what meets them on the way.
import { ConvexError } from "convex/values";
import { QuerySets } from "../../sdk/js/concave-transport/querySets.js";
import { api, check, fresh, http, open, proxy, refused, same, transport, until, watch } from "./lib.mjs";

/** 40 KB in 10,000 characters. */
const EMOJI = "\u{1F30B}".repeat(10_000);
const over = (url, options) => open(url, { webSocketConstructor: transport(options) });

/** Said before, shown with its answer, in its place among the others, and on one connection. */
export async function largeArguments(url) {
  const told = [], client = over(url, { info: (text) => told.push(text) });
  const name = fresh("large"), seen = watch(client, api.stored, { name });
  await seen.is(null);
  const order = [];
  const calls = ["first", EMOJI, "third", EMOJI + "!", "last"].map(async (value) => {
    const result = await client.mutation(api.store, { name, value });
    order.push(value.length);
    same(result, value, "its result");
    return seen.values.includes(value);
  });
  same(told.length, 0, "the first large one waits for the one before it");
  same(await Promise.all(calls), [true, true, true, true, true], "own writes first");
  same(order, [5, 20_000, 5, 20_001, 4], "in order");
  same(seen.values.map((value) => value?.length ?? 0).filter((each, at, all) => each !== all[at - 1]), [0, 5, 20_000, 5, 20_001, 4], "each value, in order");
  same(told.length, 2, "said so");
  check(/scenarios:store.*41 KB.*32 KB.*HTTP/.test(told[0]), told[0]);
  same(await client.action(api.measure, { text: EMOJI }), 10_000, "an action");
  return { connections: client.connectionState().connectionCount };
}

/** What is refused is told as the socket tells it, and nothing is tried again. */
export async function largeAndRefused(url) {
  const client = over(url), name = fresh("refused"), seen = watch(client, api.stored, { name });
  await seen.is(null);
  const wrong = await refused(client.mutation(api.store, { nam: name, value: EMOJI }));
  check(/ArgumentValidationError/.test(wrong.message), wrong.message);
  const none = await refused(client.action(api.nothingHere, { text: EMOJI }));
  check(/Could not find public function/.test(none.message), none.message);
  const huge = await refused(client.mutation(api.store, { name, value: "x".repeat(1_100_000) }));
  check(huge instanceof ConvexError && huge.data.code === "TooLarge", `${huge}`);
  same(huge.data.message, "This holds 1,101 KB; a call holds at most 1,048 KB.", "the sentence");
  const live = watch(client, api.echo, { value: EMOJI });
  await live.until((all) => all.errors.length, "the refusal of a live query");
  check(/live query must fit a frame/.test(live.errors[0].message), live.errors[0].message);
  live.leave();
  same(await client.mutation(api.store, { name, value: "small" }), "small", "the connection goes on");
  await seen.is("small");
  return { connections: client.connectionState().connectionCount };
}

/** An optimistic update is seen until its write is, and never with it, whatever else happens meanwhile. */
export async function largeAndOptimistic(url, { times = 8 }) {
  const client = over(url), other = open(url), name = fresh("optimistic"), seen = watch(client, api.get, { name });
  await seen.is(0);
  const raise = (store) => store.setQuery(api.get, { name }, store.getQuery(api.get, { name }) + 1);
  for (let number = 1; number <= times; number++) {
    const noise = other.mutation(api.add, { name: fresh("noise") });
    same(await client.mutation(api.countText, { name, text: EMOJI }, { optimisticUpdate: raise }), number, "ran once");
    same(seen.values.at(-1), number, "own write");
    await noise;
  }
  const shown = seen.values.filter((each, at, all) => each !== all[at - 1]);
  same(shown, Array.from({ length: times + 1 }, (_, at) => at), "never twice, never back");
}

/** The answer to a large mutation is lost, the connection too: the client asks again, and it has run once. */
export async function largeAndLost(url, { times = 4 }) {
  const road = await proxy(url), client = over(road.url), name = fresh("lost"), seen = watch(client, api.get, { name });
  await seen.is(0);
  for (let number = 1; number <= times; number++) {
    road.deaf = true;
    const done = client.mutation(api.countText, { name, text: EMOJI });
    await until(async () => (await http(url).query(api.get, { name })) === number, "the commit");
    road.deaf = false;
    road.cut();
    same(await done, number, "the answer of the first time");
    same(seen.values.at(-1), number, "and is shown");
  }
  same(await http(url).query(api.get, { name }), times, "each ran once");
}

/** The connections are cut at any moment of a large mutation. */
export async function largeAndCut(url, { times = 10 }) {
  const road = await proxy(url), client = over(road.url), name = fresh("cut"), seen = watch(client, api.get, { name });
  await seen.is(0);
  for (let number = 1; number <= times; number++) {
    const done = client.mutation(api.countText, { name, text: EMOJI });
    await new Promise((go) => setTimeout(go, number * 4)); // before, while and after it is handled
    road.cut();
    same([await done, seen.values.at(-1)], [number, number], "ran once, and is shown");
  }
}

/** A token that is over is told as on the socket: the client signs in anew and calls again. */
export async function largeAndExpired(url, { tokens }) {
  let asked = 0, refusals = 0;
  const over401 = async (...request) => {
    if (refusals++) return fetch(...request);
    return new Response(JSON.stringify({ code: "Unauthenticated", message: "The token has expired." }), { status: 401 });
  };
  const client = over(url, { fetch: over401 }), name = fresh("expired"), told = [];
  client.setAuth(async () => tokens[asked++ % tokens.length], (is) => told.push(is));
  await until(() => told.at(-1) === true && asked >= 2, "signed in, and the token renewed");
  await client.mutation(api.whoamiNow, {}); // which is answered when the new token is confirmed
  same(await client.mutation(api.store, { name, value: EMOJI }), EMOJI, "its result");
  check(asked >= 3, "signed in anew");
  check(refusals >= 2, "called again");
  same((await client.mutation(api.whoamiNow, {})).subject, "alice", "still alice");
  check(!told.includes(false), "never signed out");
}

/** More subscriptions than a frame holds: from the start, after a reconnect, and while they change. */
export async function manyMore(url, { count }) {
  const road = await proxy(url), told = [], client = over(road.url, { info: (text) => told.push(text) }), base = fresh("manymore");
  const all = Array.from({ length: count }, (_, at) => watch(client, api.get, { name: `${base}-${at}` }));
  await Promise.all(all.map((seen) => seen.is(0)));
  for (let round = 1; round <= 2; round++) {
    road.cut();
    await http(url).mutation(api.add, { name: `${base}-${count - 1}` });
    await all.at(-1).is(round);
    same(await client.mutation(api.add, { name: `${base}-0` }), round, "mutation");
    check(all[0].values.at(-1) === round, "own write");
    all[round].leave();
    const late = watch(client, api.get, { name: `${base}-late-${round}` });
    await late.is(0);
    await http(url).mutation(api.add, { name: `${base}-late-${round}` });
    await late.is(1);
  }
  check(all.every((seen) => seen.errors.length === 0), "no errors");
  check(told.length >= 3 && /400 queries \(scenarios:get\)/.test(told[0]), told[0]);
  return { connections: client.connectionState().connectionCount };
}

/** Random query sets, against a server that counts its own versions and answers when it likes: the client's count holds. */
export function versions(_url, { runs = 400, seed = 1 }) {
  let state = seed;
  const random = (below) => {
    state = (state * 1103515245 + 12345) % 2147483648;
    return Math.floor((state / 2147483648) * below);
  };
  for (let run = 0; run < runs; run++) {
    const sets = new QuerySets(300 + random(400)), inbox = [], known = new Set();
    let client = 0, seen = 0, server = 0, told = 0, ts = 0, next = 0;
    const wanted = new Set(), shown = new Map();
    const serve = () => {
      for (let frames = 1 + random(3); frames > 0 && inbox.length; frames--) {
        const frame = inbox.shift();
        same(frame.baseVersion, server, "the server's chain");
        server = frame.newVersion;
        for (const each of frame.modifications) {
          if (each.type === "Add") known.add(each.queryId);
          else check(known.delete(each.queryId), "removed what the server does not know");
        }
      }
      const modifications = [...known].map((queryId) => ({ type: "QueryUpdated", queryId, value: ts, logLines: [], journal: `j${queryId}` }));
      sets.incoming({ type: "Transition", startVersion: { querySet: told, identity: 0, ts: `${ts}` }, endVersion: { querySet: server, identity: 0, ts: `${++ts}` }, modifications });
      told = server;
      const transition = sets.take();
      if (!transition) return;
      same(transition.startVersion.querySet, seen, "the client's chain");
      check(transition.endVersion.querySet >= seen && transition.endVersion.querySet <= client, "a version that the client has sent");
      seen = transition.endVersion.querySet;
      for (const each of transition.modifications) shown.set(each.queryId, each.type);
    };
    for (let step = 0; step < 12; step++) {
      if (random(3)) {
        const modifications = Array.from({ length: random(12) }, () => {
          const leave = wanted.size && random(3) === 0 && [...wanted][random(wanted.size)];
          if (leave !== false && leave !== 0) {
            wanted.delete(leave);
            return { type: "Remove", queryId: leave };
          }
          wanted.add(++next);
          return { type: "Add", queryId: next, udfPath: "m:f", args: [{ text: "\u00e9".repeat(random(random(8) ? 60 : 600)) }] };
        });
        const frames = sets.outgoing({ type: "ModifyQuerySet", baseVersion: client, newVersion: ++client, modifications });
        for (const each of frames) check(Buffer.byteLength(each) <= sets.limit, "within the limit");
        inbox.push(...frames.map((each) => JSON.parse(each)));
      } else if (random(3) === 0) inbox.push(...sets.renew().frames.map((each) => JSON.parse(each)));
      if (random(2)) serve();
    }
    while (inbox.length) serve();
    serve();
    same(seen, client, "all is told");
    for (const queryId of wanted) check(shown.get(queryId)?.match(/Updated|Failed/), `query ${queryId} is answered`);
  }
}
