// Many at once: tabs under a bad network, and more subscriptions than fit a frame.
import { api, check, fresh, http, open, proxy, same, watch } from "./lib.mjs";

export async function tabs(url, { count = 20, ms = 5000, cuts = 2 }) {
  const road = await proxy(url), names = Array.from({ length: 6 }, () => fresh("tab")), room = fresh("room");
  road.jitter = 30;
  const clients = Array.from({ length: count }, () => open(road.url));
  const watched = clients.map((client) => ({
    tallies: names.map((name) => watch(client, api.get, { name })), notes: watch(client, api.notes, { room }),
  }));
  const end = Date.now() + ms, sums = Object.fromEntries(names.map((name) => [name, 0]));
  let written = 0, ran = 0;
  const live = clients.map(async (client) => {
    while (Date.now() < end) {
      if (Math.random() < 0.15) {
        await client.mutation(api.write, { room, text: "x", rank: Math.random() });
        written += 1;
      } else {
        const name = names[Math.floor(Math.random() * names.length)], amount = 1 + Math.floor(Math.random() * 9);
        const seen = watched[clients.indexOf(client)].tallies[names.indexOf(name)];
        const told = await client.mutation(api.add, { name, amount });
        sums[name] += amount;
        check(seen.values.at(-1) >= told, `own write not shown: ${told} in ${seen.values}, errors ${seen.errors}`);
      }
      ran += 1;
      await new Promise((go) => setTimeout(go, Math.random() * 150));
    }
  });
  const cutting = Array.from({ length: cuts }, (_, at) => new Promise((go) => setTimeout(() => { road.cut(); go(); }, (ms * (at + 1)) / (cuts + 1))));
  await Promise.all([...live, ...cutting]);
  const read = http(url);
  for (const [at, name] of names.entries()) {
    same(await read.query(api.get, { name }), sums[name], "each mutation ran once");
    await Promise.all(watched.map((each) => each.tallies[at].is(sums[name])));
    for (const each of watched) {
      const { values } = each.tallies[at], back = values.findIndex((value, number) => number && value < values[number - 1]);
      check(back < 0, `went backwards from ${values[back - 1]} to ${values[back]} in ${values}`);
    }
  }
  const notes = await read.query(api.notes, { room });
  same(notes.length, written, "each line once");
  await Promise.all(watched.map((each) => each.notes.until((all) => JSON.stringify(all.values.at(-1)) === JSON.stringify(notes), "the notes")));
  return { ran };
}

/** `count` subscriptions in one ModifyQuerySet, as a reconnect sends them. */
export async function many(url, { count }) {
  const road = await proxy(url), client = open(road.url), base = fresh("many");
  const all = Array.from({ length: count }, (_, at) => watch(client, api.get, { name: `${base}-${at}` }));
  await Promise.all(all.map((seen) => seen.is(0)));
  road.cut();
  await http(url).mutation(api.add, { name: `${base}-${count - 1}` });
  await all.at(-1).is(1);
  same(await client.mutation(api.add, { name: `${base}-0` }), 1, "mutation");
  check(all[0].values.at(-1) === 1, "own write");
  return { connections: road.count };
}

/** Too many for a frame of the gateway: it closes with 1009 each time, and no value ever comes (a published limit). */
export async function tooMany(url, { count }) {
  const road = await proxy(url), closes = [];
  road.onDown = (text) => { if (text.includes(String.fromCharCode(0x88)) && text.includes(String.fromCharCode(0x03, 0xf1))) closes.push(1009); };
  const client = open(road.url), base = fresh("toomany");
  const all = Array.from({ length: count }, (_, at) => watch(client, api.get, { name: `${base}-${at}` }));
  const end = Date.now() + 15000;
  while (closes.length < 2 && Date.now() < end) await new Promise((go) => setTimeout(go, 20));
  check(closes.length >= 2, "the gateway closed with 1009, twice");
  same(all.flatMap((seen) => seen.values), [], "no value");
  return { up: road.up };
}
