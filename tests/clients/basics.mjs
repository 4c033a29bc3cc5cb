// Subscribe, mutate, fail, and carry values: what every app does first.
import { ConvexError } from "convex/values";
import { api, check, fresh, http, open, refused, same, watch } from "./lib.mjs";

const hex = (buffer) => Buffer.from(buffer).toString("hex");

function checkData(error, where) {
  check(error instanceof ConvexError, `${where}: ${error} is no ConvexError`);
  const { code, message, big, raw, far, nothing } = error.data;
  same([code, message, big === 2n ** 62n, hex(raw), far === Infinity, nothing], ["Nope", "Not today.", true, "00ff", true, null], where);
}

export async function pushed(url) {
  const one = open(url), two = open(url), name = fresh("pushed");
  const here = watch(one, api.get, { name }), there = watch(two, api.get, { name });
  await Promise.all([here.is(0), there.is(0)]);
  same(await one.mutation(api.add, { name, amount: 3 }), 3, "result");
  same(here.values.at(-1), 3, "own write first");
  await there.is(3);
  same(await two.mutation(api.add, { name }), 4, "result");
  await here.is(4);
  same([here.values, there.values], [[0, 3, 4], [0, 3, 4]], "every value once, in order");
}

export async function errors(url) {
  const client = open(url), name = fresh("errors");
  checkData(await refused(client.mutation(api.add, { name, refuse: true })), "mutation");
  same(await client.query(api.get, { name }), 0, "a refused mutation wrote nothing");
  checkData(await refused(client.action(api.relay, { name, refuse: true })), "action");
  const boom = await refused(client.mutation(api.crash, {}));
  check(!(boom instanceof ConvexError) && /Server Error/.test(boom.message) && /boom/.test(boom.message), `crash: ${boom}`);
  const wrong = await refused(client.mutation(api.add, { nam: name }));
  check(/ArgumentValidationError/.test(wrong.message), `arguments: ${wrong}`);
  const none = await refused(client.query(api.nothingHere, {}));
  check(/Could not find public function/.test(none.message), `missing: ${none}`);
  const kind = await refused(client.mutation(api.get, { name }));
  check(/Trying to execute scenarios:get as Mutation, but it is defined as Query/.test(kind.message), `kind: ${kind}`);
}

export async function heals(url) {
  const client = open(url), name = fresh("heals"), seen = watch(client, api.strict, { name });
  await seen.until((all) => all.errors.length === 1, "the error");
  checkData(seen.errors[0], "query");
  same(seen.values, [], "no value yet");
  await http(url).mutation(api.add, { name, amount: 7 });
  await seen.is(7);
}

export async function values(url) {
  const client = open(url), name = fresh("values");
  const value = {
    nothing: null, yes: true, no: false, text: "añ🙂\u0000", whole: 5, half: 0.5, huge: 1e300, tiny: 5e-324,
    nan: NaN, far: Infinity, near: -Infinity, minusZero: -0, big: 2n ** 63n - 1n, small: -(2n ** 63n), raw: new Uint8Array([0, 1, 255]).buffer,
    empty: {}, list: [1, [2n, "three", null], { four: [] }], many: Array.from({ length: 300 }, (_, at) => at),
  };
  const text = (each) => JSON.stringify(each, (_, part) =>
    typeof part === "bigint" ? `${part}n` : part instanceof ArrayBuffer ? hex(part) : Object.is(part, -0) ? "-0" : typeof part === "number" ? `${part}f` : part);
  const sorted = (each) => text(Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1))));
  const answers = {
    query: await client.query(api.echo, { value }), mutation: await client.mutation(api.store, { name, value }),
    stored: await client.query(api.stored, { name }), http: await http(url).query(api.stored, { name }),
  };
  for (const [way, answer] of Object.entries(answers)) same(sorted(answer), sorted(value), way);
}

export async function actions(url) {
  const client = open(url), name = fresh("actions"), seen = watch(client, api.get, { name });
  await seen.is(0);
  const slow = client.action(api.relay, { name, amount: 2, pauseMs: 600 });
  await seen.is(2);
  same(await client.mutation(api.add, { name }), 3, "a mutation does not wait for an action");
  same(await slow, 3, "the action read what the mutation wrote");
}

export async function optimistic(url) {
  const client = open(url), name = fresh("optimistic"), seen = watch(client, api.get, { name });
  await seen.is(0);
  const raise = (store, { amount }) => store.setQuery(api.get, { name }, store.getQuery(api.get, { name }) + amount);
  for (const amount of [1, 1, 1]) {
    const done = client.mutation(api.add, { name, amount }, { optimisticUpdate: raise });
    await done;
  }
  // The client tells a value again when it is confirmed; what a person sees is where it changes.
  const shown = () => seen.values.filter((value, at) => value !== seen.values[at - 1]);
  same(shown(), [0, 1, 2, 3], "applied, confirmed, never twice and never back");
  const failing = client.mutation(api.add, { name, amount: 10, refuse: true }, { optimisticUpdate: raise });
  await seen.is(13);
  checkData(await refused(failing), "the failed one");
  await seen.is(3);
  same(shown(), [0, 1, 2, 3, 13, 3], "rolled back");
  // Two at once, and one by somebody else between them.
  const both = [5, 6].map((amount) => client.mutation(api.add, { name, amount }, { optimisticUpdate: raise }));
  await Promise.all([...both, http(url).mutation(api.add, { name, amount: 100 })]);
  await seen.is(114);
}

export async function bare(url) {
  const client = open(url), name = fresh("bare"), begun = performance.now();
  same(await client.mutation(api.add, { name }), 1, "a client without queries");
  const first = performance.now() - begun;
  same(await client.mutation(api.add, { name }), 2, "again");
  check((await refused(client.mutation(api.add, { name, refuse: true }))) instanceof ConvexError, "an error too");
  check(first < 1000, `the first mutation took ${first} ms`);
  return { first: Math.round(first) };
}

export async function ownWritesFirst(url, { times = 100 }) {
  const client = open(url), other = open(url), name = fresh("own"), seen = watch(client, api.get, { name });
  await seen.is(0);
  for (let number = 1; number <= times; number++) {
    const noise = number % 5 ? null : other.mutation(api.add, { name: `${name}-noise` });
    const told = await client.mutation(api.add, { name });
    check(seen.values.at(-1) >= told, `mutation ${number} gave ${told}, the query said ${seen.values.at(-1)}`);
    await noise;
  }
  same(seen.values.length, times + 1, "each value once");
}

export async function overHttp(url) {
  const client = http(url), name = fresh("http");
  same(await client.mutation(api.add, { name, amount: 2 }), 2, "mutation");
  same(await client.query(api.get, { name }), 2, "query");
  same(await client.action(api.relay, { name }), 3, "action");
  checkData(await refused(client.mutation(api.add, { name, refuse: true })), "mutation");
  checkData(await refused(client.query(api.strict, { name: fresh("none") })), "query");
  checkData(await refused(client.action(api.relay, { name, refuse: true })), "action");
  check(/Could not find public function/.test((await refused(client.query(api.nothingHere, {}))).message), "missing");
  same((await Promise.all([1, 2, 3].map(() => client.mutation(api.add, { name })))).at(-1), 6, "queued mutations");
}
