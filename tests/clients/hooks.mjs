// ConvexReactClient in jsdom: useQuery, useMutation with an optimistic update, usePaginatedQuery over changing data and reconnects.
import { JSDOM } from "jsdom";
import WebSocket from "ws";
import { api, check, fresh, http, over, proxy, same, transport, until } from "./lib.mjs";

/** Mount a component that calls hooks, and collect what each render saw. */
async function mount(url, useHooks) {
  const dom = new JSDOM("<div id='root'></div>", { url: "http://localhost/" });
  globalThis.window = dom.window;
  globalThis.document = dom.window.document;
  Object.defineProperty(globalThis, "navigator", { value: dom.window.navigator, configurable: true });
  const React = (await import("react")).default;
  const { createRoot } = await import("react-dom/client");
  const convex = await import("convex/react");
  const webSocketConstructor = over.transport ? transport(over.transport) : WebSocket;
  const client = new convex.ConvexReactClient(url, { webSocketConstructor, logger: false, unsavedChangesWarning: false });
  const renders = [];
  const Probe = () => {
    renders.push(useHooks(convex));
    return null;
  };
  const root = createRoot(dom.window.document.getElementById("root"));
  root.render(React.createElement(convex.ConvexProvider, { client }, React.createElement(Probe)));
  const now = () => renders.at(-1);
  await until(() => renders.length, "the first render");
  return { client, renders, now, until: (holds, what) => until(() => holds(now()), what) };
}

export async function hooks(url) {
  const name = fresh("hooks"), read = http(url);
  const page = await mount(url, ({ useQuery, useMutation }) => ({
    one: useQuery(api.get, { name }),
    two: useQuery(api.get, { name, ...{} }),
    skipped: useQuery(api.get, "skip"),
    who: useQuery(api.whoami, {}),
    add: useMutation(api.add).withOptimisticUpdate((store, { name, amount }) => {
      store.setQuery(api.get, { name }, (store.getQuery(api.get, { name }) ?? 0) + amount);
    }),
  }));
  await page.until(({ one, who }) => one === 0 && who === null, "values");
  await read.mutation(api.add, { name, amount: 2 });
  await page.until(({ one }) => one === 2, "a pushed value");
  same(await page.now().add({ name, amount: 3 }), 5, "useMutation");
  await page.until(({ one }) => one === 5, "its effect");
  const steps = page.renders.map(({ one }) => one).filter((one, at, all) => one !== all[at - 1] && one !== undefined);
  same(steps, [0, 2, 5], "no flicker");
  check(page.renders.every(({ one, two, skipped }) => one === two && skipped === undefined), "no torn render");
}

const ranks = (results) => results.map((note) => note.rank);

/** Pages stay gapless and without doubles while rows come and go, and after a reconnect. */
export async function pages(url) {
  const room = fresh("pages"), read = http(url), road = await proxy(url);
  await read.mutation(api.fill, { room, first: 0, count: 30 });
  const page = await mount(road.url, ({ usePaginatedQuery }) => usePaginatedQuery(api.page, { room }, { initialNumItems: 10 }));
  const truth = async () => ranks(await read.query(api.notes, { room }));
  await page.until(({ status, results }) => status === "CanLoadMore" && results.length === 10, "the first page");
  page.now().loadMore(10);
  await page.until(({ results }) => results.length === 20, "the second page");
  const shows = (expected, what) => page.until(({ results }) => JSON.stringify(ranks(results)) === JSON.stringify(expected), what);

  for (const rank of [3.5, 9.5, 12.5]) await read.mutation(api.write, { room, text: "new", rank });
  await shows((await truth()).filter((rank) => rank <= 19), "23 rows: both pages have grown");
  for (const gone of (await read.query(api.notes, { room })).filter(({ rank }) => [9, 10, 15].includes(rank))) {
    check(await read.mutation(api.drop, { noteId: gone._id }), "dropped");
  }
  await shows((await truth()).filter((rank) => rank <= 19), "the rows at the seam are gone");

  road.cut(); // the journals go with the new connection: the pages end where they ended
  await read.mutation(api.write, { room, text: "while away", rank: 1.5 });
  await shows((await truth()).filter((rank) => rank <= 19), "after the reconnect");
  page.now().loadMore(100);
  await page.until(({ status }) => status === "Exhausted", "the end");
  await shows(await truth(), "all of it");
  for (const { results } of page.renders) {
    const seen = ranks(results);
    check(seen.every((rank, at) => !at || rank > seen[at - 1]), `a render with a double or out of order: ${seen}`);
    // What no one touched is in every render that reaches past it.
    const kept = seen.filter((rank) => Number.isInteger(rank) && ![9, 10, 15].includes(rank));
    same(kept, Array.from({ length: 30 }, (_, at) => at).filter((at) => ![9, 10, 15].includes(at)).slice(0, kept.length), "a gap");
  }
  return { renders: page.renders.length };
}

/**
 * The first page of an open tab grows by `inserts` rows of `chars` characters of three bytes each: it is split as often as it
 * must be, no render throws, and in the end every row is there once and in order, also after a reconnect.
 */
export async function growingPage(url, { inserts = 1000, chars = 200, at = 20, first = 30 }) {
  const room = fresh("growing"), write = http(url), road = await proxy(url);
  await write.mutation(api.fill, { room, first: 0, count: first });
  const page = await mount(road.url, ({ usePaginatedQuery }) => usePaginatedQuery(api.page, { room }, { initialNumItems: 10 }));
  await page.until(({ status, results }) => status === "CanLoadMore" && results.length === 10, "the first page");
  const ranks_ = Array.from({ length: 10 }, (_, rank) => rank);
  for (let number = 0; number < inserts; number += at) {
    const more = Array.from({ length: at }, (_, place) => ((number + place + 1) * 9) / (inserts + 2)).filter((rank) => rank % 1);
    await write.mutation(api.crowd, { room, ranks: more, chars });
    ranks_.push(...more);
  }
  const expected = JSON.stringify(ranks_.sort((one, two) => one - two));
  const all = ({ results, status }) => status === "CanLoadMore" && JSON.stringify(ranks(results)) === expected;
  await page.until(all, "every row, once and in order");
  road.cut();
  await write.mutation(api.crowd, { room, ranks: [0.0001], chars });
  await page.until(({ results }) => results.length === ranks_.length + 1 && results[1].rank === 0.0001, "the same after a reconnect");
  page.now().loadMore(100);
  await page.until(({ status, results }) => status === "Exhausted" && results.length === ranks_.length + 1 + first - 10, "the end");
  for (const { results } of page.renders) {
    const seen = ranks(results);
    check(seen.every((rank, place) => !place || rank > seen[place - 1]), "a render with a double or out of order");
  }
  return { renders: page.renders.length, rows: page.now().results.length };
}
