// The page of `make dev` in jsdom, against a running server: sign in, send, watch the reply stream, stop one.
// Usage: node page.mjs URL. Prints one JSON object with what was seen.
import { createRequire } from "node:module";

const require = createRequire(new URL("../clients/", import.meta.url));
const { JSDOM, VirtualConsole } = require("jsdom");

const url = process.argv[2];
const errors = [];
const virtualConsole = new VirtualConsole();
virtualConsole.on("jsdomError", (error) => errors.push(error.message));

async function open() {
  const dom = await JSDOM.fromURL(`${url}/`, {
    runScripts: "dangerously", pretendToBeVisual: true, virtualConsole,
    beforeParse(window) { window.fetch = (path, options) => fetch(new URL(path, url), options); },
  });
  const { document, Event } = dom.window;
  const $ = (id) => document.getElementById(id);
  return {
    dom, $,
    messages: () => [...$("messages").children].map((item) => ({ role: item.className, text: item.textContent })),
    submit: (form) => $(form).dispatchEvent(new Event("submit", { cancelable: true, bubbles: true })),
  };
}

async function until(look, what) {
  for (const end = Date.now() + 20_000; Date.now() < end; await new Promise((done) => setTimeout(done, 10))) {
    const found = look();
    if (found) return found;
  }
  throw new Error(`waited for ${what} in vain`);
}

async function signIn(name) {
  const page = await open();
  page.$("name").value = name;
  page.submit("sign-in");
  await until(() => page.$("state").textContent === "live", "a live connection");
  return page;
}

function say(page, text) {
  page.$("text").value = text;
  page.submit("write");
}

const seen = {};
const one = await signIn("alice"), two = await signIn("alice"), stranger = await signIn("mallory");

say(one, "Write about rivers, at some length please.");
await until(() => one.messages().length === 2, "the message and its placeholder");
await until(() => two.$("sessions").children.length === 1, "the session in the second tab");
two.$("sessions").querySelector("button").click();

const lengths = new Set();
await until(() => { lengths.add(one.messages()[1].text.length); return one.$("stop").hidden; }, "the end of the reply");
await until(() => JSON.stringify(two.messages()) === JSON.stringify(one.messages()), "the same in the second tab");
seen.roles = one.messages().map((message) => message.role);
seen.steps = lengths.size;
seen.reply = one.messages()[1].text;
seen.announced = one.$("said").textContent.startsWith("Reply: ");

say(one, "And now a very long story, please: at least a thousand words.");
await until(() => one.messages().length === 4 && one.messages()[3].text.length > 20, "the beginning of the second reply");
two.$("stop").click();
await until(() => one.$("stop").hidden, "the stop");
seen.stopped = one.messages()[3].text;

seen.strangersSessions = stranger.$("sessions").children.length;
seen.problems = [one, two, stranger].map((page) => page.$("problem").textContent).filter(Boolean);
console.log(JSON.stringify({ ...seen, errors }));
for (const page of [one, two, stranger]) page.dom.window.close();
process.exit(0);
