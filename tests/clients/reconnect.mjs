// Cut sockets, lost answers, restarts, silence: what a client on a train lives through.
import { api, check, fresh, hear, http, open, proxy, refused, same, say, until, watch } from "./lib.mjs";

export async function cut(url) {
  const road = await proxy(url), client = open(road.url), name = fresh("cut"), seen = watch(client, api.get, { name });
  await seen.is(0);
  for (let round = 1; round <= 2; round++) {
    road.cut();
    await http(url).mutation(api.add, { name });
    await seen.is(round);
  }
  same(await client.mutation(api.add, { name }), 3, "mutation");
  same(seen.values, [0, 1, 2, 3], "never back");
  return { connections: road.count };
}

/** The answer is lost on the way: npm sends the same request again, and it runs once. */
export async function lostAnswer(url) {
  const road = await proxy(url), client = open(road.url), name = fresh("lost"), seen = watch(client, api.get, { name });
  await seen.is(0);
  road.deaf = true;
  const done = [1, 2, 3].map(() => client.mutation(api.add, { name }));
  await until(async () => (await http(url).query(api.get, { name })) === 3, "the commits");
  road.deaf = false;
  road.cut();
  same(await Promise.all(done), [1, 2, 3], "the answers of the first time");
  await seen.is(3);
  same(await http(url).query(api.get, { name }), 3, "ran once");
}

/** The socket ends right after the mutation has left, whether or not it arrived. */
export async function cutAtSend(url, { times = 8 }) {
  const road = await proxy(url), client = open(road.url), name = fresh("send"), seen = watch(client, api.get, { name });
  await seen.is(0);
  for (let number = 1; number <= times; number++) {
    const done = client.mutation(api.add, { name });
    await new Promise((go) => setTimeout(go, number % 4)); // before, while and after it is handled
    road.cut();
    same(await done, number, "ran once");
  }
  same(seen.values.at(-1), times, "and is shown");
  check(seen.values.every((value, at) => !at || value >= seen.values[at - 1]), `went backwards: ${seen.values}`);
}

export async function actionInFlight(url) {
  const road = await proxy(url), client = open(road.url), name = fresh("flight"), seen = watch(client, api.get, { name });
  await seen.is(0);
  const slow = refused(client.action(api.relay, { name, pauseMs: 500 }));
  await seen.is(1);
  road.cut();
  check(/Connection lost while action was in flight/.test((await slow).message), "failed locally");
  await client.mutation(api.add, { name });
  await seen.is(2);
}

/** The test ends our connection, or the server, in between; we only watch. */
export async function disturbed(url, { rounds = 1, prefix = "" }) {
  const client = open(url), name = prefix || fresh("disturbed");
  const all = Array.from({ length: 5 }, (_, at) => watch(client, api.get, { name: `${name}-${at}` }));
  await Promise.all(all.map((seen) => seen.is(0)));
  for (let round = 1; round <= rounds; round++) {
    say({ ready: round });
    await hear();
    same(await client.mutation(api.add, { name: `${name}-0` }), round, "mutation");
    for (const at of [1, 2, 3, 4]) await http(url).mutation(api.add, { name: `${name}-${at}` });
    await Promise.all(all.map((seen) => seen.is(round)));
  }
  // After a reconnect the client tells a value again although it is the same.
  return all.map((seen) => seen.values.filter((value, at) => value !== seen.values[at - 1]));
}

/** Nothing happens for a while: pings come, and the connection stays. */
export async function idle(url, { ms }) {
  const road = await proxy(url), client = open(road.url), name = fresh("idle"), seen = watch(client, api.get, { name });
  await seen.is(0);
  await until(() => road.heard('{"type":"Ping"}') >= 2, "two pings", ms);
  await http(url).mutation(api.add, { name });
  await seen.is(1);
  return { connections: road.count };
}

/** A road for another client (the Python one): says its port, then each ping, until the test has heard enough. */
export async function road(url) {
  const made = await proxy(url);
  made.onDown = (text) => { if (text.includes('"type":"Ping"')) say({ ping: true, connections: made.count }); };
  say({ url: made.url });
  for (let line = await hear(); line && line !== "end"; line = await hear()) {
    if (line === "cut") made.cut();
  }
  return { connections: made.count };
}

/** Say every value of a tally until it is 3, as the Python scenario of this name does. */
export async function follow(url, { name }) {
  const seen = watch(open(url), api.get, { name });
  for (let told = 0; seen.values.at(-1) !== 3 || told < seen.values.length; ) {
    if (told < seen.values.length) say(seen.values[told++]);
    else await seen.until((all) => all.values.length > told);
  }
}
