// What cannot be read, and what cannot be said: each is answered, and the client goes on with the connection that it has.
import { api, check, fresh, http, open, proxy, refused, same, watch } from "./lib.mjs";

/** Arguments that are no values, on a call of each kind and on a subscription; an error whose text is no text. */
export async function unreadable(url) {
  const name = fresh("unreadable"), road = await proxy(url), client = open(road.url);
  const seen = watch(client, api.get, { name });
  await seen.is(0);
  let deep = 1;
  for (let level = 0; level < 1100; level += 1) deep = [deep];
  for (const [value, said] of [[deep, "nest too deep"], ["cut \ud83d", "Unicode"]]) {
    for (const call of [
      () => client.mutation(api.store, { name, value }),
      () => client.action(api.relay, { name, value }),
      () => client.query(api.echo, { value }),
    ]) {
      const { message } = await refused(call());
      check(message.includes(said), `${said} is not in: ${message}`);
    }
  }
  const cut = await refused(client.mutation(api.cut, {}));
  same(cut.data.message, "cut \ufffd", "half a surrogate in an error");
  const http_ = await refused(http(url).mutation(api.cut, {}));
  same(http_.data.message, "cut \ufffd", "half a surrogate in an error over HTTP");
  same(await client.mutation(api.add, { name, amount: 1 }), 1, "the next call");
  await seen.is(1);
  same(road.count, 1, "connections");
}

/** What the server-side rendering of frameworks does: several queries of one client at one timestamp. */
export async function consistent(url) {
  const name = fresh("consistent"), render = http(url);
  await http(url).mutation(api.add, { name, amount: 2 });
  same(await render.consistentQuery(api.get, { name }), 2, "a value");
  same(await render.consistentQuery(api.echo, { value: "x" }), "x", "another one at the same timestamp");
  same((await refused(render.consistentQuery(api.strict, { name: fresh("none") }))).data.code, "Nope", "a refusal");
}
