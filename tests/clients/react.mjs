// convex/react, unmodified, in jsdom: useQuery, useMutation with an optimistic update, usePaginatedQuery, setAuth with refresh.
import { JSDOM } from "jsdom";

const dom = new JSDOM("<!doctype html><div id=root></div>", { url: "http://127.0.0.1/", pretendToBeVisual: true });
for (const name of ["window", "document", "HTMLElement", "Node"]) globalThis[name] = name === "window" ? dom.window : dom.window[name];
Object.defineProperty(globalThis, "navigator", { value: dom.window.navigator, configurable: true });

const { createElement: h } = await import("react");
const { createRoot } = await import("react-dom/client");
const { flushSync } = await import("react-dom");
const { ConvexReactClient, ConvexProvider, useQuery, useMutation, usePaginatedQuery } = await import("convex/react");
const { anyApi: api } = await import("convex/server");
const { WebSocket } = await import("ws");

const [url] = process.argv.slice(2);
let tokens = 0;
async function token() {
  tokens += 1;
  const answer = await fetch(`${url}/dev/token`, { method: "POST", body: JSON.stringify({ subject: "rea", org: "acme" }) });
  return (await answer.json()).token;
}

const client = new ConvexReactClient(url, { webSocketConstructor: WebSocket, logger: false, unsavedChangesWarning: false });
const signedIn = new Promise((resolve) => client.setAuth(token, (is) => is && resolve(true)));
const told = { counter: [], pages: [], status: [] };
let add, start, more;

function Counter() {
  told.counter.push(useQuery(api.counter.get, { name: "react" }));
  add = useMutation(api.counter.add).withOptimisticUpdate((store, { amount }) => {
    const value = store.getQuery(api.counter.get, { name: "react" });
    if (value !== undefined) store.setQuery(api.counter.get, { name: "react" }, value + amount + 0.5);
  });
  start = useMutation(api.chat.startSession);
  return null;
}

function Pages() {
  const found = usePaginatedQuery(api.chat.listSessionsPage, {}, { initialNumItems: 2 });
  told.pages = found.results.map((each) => each.name);
  told.status.push(found.status);
  more = () => found.loadMore(2);
  return null;
}

async function until(what, ready) {
  const end = Date.now() + 15000;
  while (!ready()) {
    if (Date.now() > end) throw new Error(`${what}: ${JSON.stringify(told)}`);
    await new Promise((go) => setTimeout(go, 10));
  }
}

try {
  await signedIn;
  createRoot(document.getElementById("root")).render(h(ConvexProvider, { client }, h(Counter)));
  await until("first value", () => told.counter.at(-1) === 0);
  for (const name of ["one", "two", "three", "four", "five"]) await start({ name });
  const list = document.body.appendChild(document.createElement("div"));
  createRoot(list).render(h(ConvexProvider, { client }, h(Pages)));
  await until("first page", () => told.pages.length === 2 && told.pages[0] === "five");
  more();
  await until("second page", () => told.pages.length === 4);
  await start({ name: "six" });
  await until("an insert grows the first page and moves no other", () => told.pages.join() === "six,five,four,three,two");
  more();
  await until("the last page", () => told.pages.length === 6 && told.status.at(-1) === "Exhausted");
  let added; // painted before the answer is there, on however slow a machine
  flushSync(() => { added = add({ name: "react", amount: 1 }); });
  await added;
  const rolled = await add({ name: "react", amount: "many" }).then(() => "accepted", (error) => String(error.message));
  await until("rolled back", () => told.counter.at(-1) === 1);
  const values = told.counter.filter((value, at) => value !== undefined && value !== told.counter[at - 1]);
  console.log(JSON.stringify({ values, refused: rolled.includes("ArgumentValidationError"), pages: told.pages, tokens }));
  process.exit(0);
} catch (error) {
  console.error(error);
  process.exit(1);
}
