// setAuth and what follows: refresh, expiry, a token that is never good, clearAuth, expectAuth.
import { api, check, forged, fresh, open, same, token, until, watch } from "./lib.mjs";

const alice = (who) => who?.subject === "alice" && who.org === "acme";

export async function signsIn(url) {
  const client = open(url), told = [], seen = watch(client, api.whoami, {});
  await seen.until((all) => all.values.length === 1);
  same(seen.values[0], null, "nobody");
  const fetched = [];
  const fetch = async ({ forceRefreshToken }) => {
    const fresh = await token(url, "alice");
    fetched.push(forceRefreshToken);
    return fresh;
  };
  client.setAuth(fetch, (is) => told.push(is));
  await seen.until((all) => alice(all.values.at(-1)), "alice");
  same(seen.values.at(-1).token, "concave-dev|alice", "token identifier");
  check(alice(await client.mutation(api.whoamiNow, {})), "the mutation knows her");
  await until(() => told.at(-1) === true, "onChange(true)");
  // The client asks for a fresh token once the first is confirmed, and `clearAuth` of the base client does not call that off.
  await until(() => fetched.includes(true), "a fresh token");
  client.client.clearAuth();
  await seen.until((all) => all.values.at(-1) === null, "nobody again");
  same(await client.mutation(api.whoamiNow, {}), null, "the mutation knows nobody");
  client.setAuth(() => token(url, "bob", "other"), () => {});
  await seen.until((all) => all.values.at(-1)?.subject === "bob" && all.values.at(-1).org === "other", "bob");
}

/** Org by org: the same name is another document (invariant 9). */
export async function tenants(url) {
  const name = fresh("tenant");
  const [acme, other] = ["acme", "other"].map((org) => {
    const client = open(url);
    client.setAuth(() => token(url, "alice", org));
    return client;
  });
  const here = watch(acme, api.get, { name }), there = watch(other, api.get, { name });
  await acme.mutation(api.add, { name, amount: 5 });
  await other.mutation(api.add, { name, amount: 7 });
  await Promise.all([here.is(5), there.is(7)]);
  check(!there.values.includes(5) && !here.values.includes(7), "an org saw another's value");
}

/** Tokens that live for 3 seconds are refreshed before they end, without a gap. */
export async function refreshes(url, { folder }) {
  let fetched = 0;
  const client = open(url, { authRefreshTokenLeewaySeconds: 1 }), seen = watch(client, api.whoami, {}), told = [];
  client.setAuth(async () => { fetched += 1; return forged(url, folder, "alice", { exp: 3 + fetched % 2 }); }, (is) => told.push(is));
  await until(() => fetched >= 4, "four tokens", 15000);
  check(alice(await client.mutation(api.whoamiNow, {})), "still alice");
  check(!told.includes(false), "never signed out");
  const gaps = seen.values.slice(seen.values.findIndex(alice)).filter((who) => !alice(who));
  same(gaps, [], "no anonymous moment");
}

/** The first token is over already (a laptop that slept); the forced fetch brings a good one. */
export async function expired(url, { folder }) {
  const client = open(url), seen = watch(client, api.whoami, {}), asked = [], told = [];
  client.setAuth(async ({ forceRefreshToken }) => {
    asked.push(forceRefreshToken);
    return forged(url, folder, "alice", forceRefreshToken ? {} : { iat: -7200, exp: -3600 });
  }, (is) => told.push(is));
  await seen.until((all) => alice(all.values.at(-1)), "alice");
  same(asked.slice(0, 2), [false, true], "asked for a fresh one");
  await until(() => told.includes(true), "onChange(true)");
}

/** Never a good token: the client gives up, says so, and goes on as nobody. */
export async function alwaysBad(url) {
  const client = open(url), name = fresh("bad"), told = [];
  let fetched = 0;
  client.setAuth(async () => `bad.${fetched++}.token`, (is) => told.push(is));
  const who = watch(client, api.whoami, {}), seen = watch(client, api.get, { name });
  await until(() => told.includes(false), "onChange(false)", 30000);
  await Promise.all([who.is(null), seen.is(0)]);
  same(await client.mutation(api.add, { name }), 1, "anonymous mutations work");
  await seen.is(1);
  same(told, [false], "told once");
  check(fetched <= 5, `${fetched} fetches`);
}

/** expectAuth: no query runs before the token; this client never sends Connect on that connection. */
export async function expectsAuth(url) {
  const client = open(url, { expectAuth: true }), seen = watch(client, api.whoami, {}), name = fresh("expect");
  await until(() => client.connectionState().isWebSocketConnected, "the socket"); // only then setAuth
  same(seen.values, [], "nothing runs before the token");
  client.setAuth(() => token(url, "alice"));
  await seen.until((all) => all.values.length, "a value");
  check(seen.values.every(alice), `ran as ${JSON.stringify(seen.values)}`);
  same(await client.mutation(api.add, { name }), 1, "mutation");
}
