// The official npm client, unmodified, through the main job: one scenario by name, its findings as one line of JSON.
import { ConvexClient, ConvexHttpClient } from "convex/browser";
import { anyApi as api } from "convex/server";

const [url, scenario, ...rest] = process.argv.slice(2);

async function token(subject, org = "acme") {
  const answer = await fetch(`${url}/dev/token`, { method: "POST", body: JSON.stringify({ subject, org }) });
  return (await answer.json()).token;
}

function client(subject) {
  const made = new ConvexClient(url, { logger: false });
  if (subject) made.setAuth(() => token(subject));
  return made;
}

/** Follow a reply as the hook does: the cursor moves to the last sequence seen. */
function follow(by, sessionId, messageId) {
  const seen = { text: "", chunks: 0, after: -1 };
  let leave, moving = false;
  const watch = () => {
    moving = false;
    leave = by.onUpdate(api.chat.subscribeToChunks, { sessionId, messageId, after: seen.after }, (page) => {
      if (!page.length) return;
      for (const chunk of page) {
        if (chunk.sequence <= seen.after) continue; // the same page again, longer
        if (chunk.sequence !== seen.after + 1) throw new Error(`gap: ${seen.after} then ${chunk.sequence}`);
        seen.text += chunk.chunk;
        seen.after = chunk.sequence;
        seen.chunks += 1;
      }
      if (moving) return; // two pages came before the cursor was moved
      moving = true;
      queueMicrotask(() => { leave(); watch(); });
    });
  };
  watch();
  return seen;
}

function ended(by, sessionId, messageId) {
  return new Promise((resolve) => {
    by.onUpdate(api.chat.subscribeToMessages, { sessionId }, (messages) => {
      const reply = messages.find((each) => each.messageId === messageId);
      if (reply?.completed) resolve(reply);
    });
  });
}

const scenarios = {
  async counter() {
    const one = client(), two = client(), values = [];
    two.onUpdate(api.counter.get, { name: "c" }, (value) => values.push(value));
    for (let number = 1; number <= 20; number++) {
      const told = await one.mutation(api.counter.add, { name: "c" });
      if (told !== number) throw new Error(`${told} is not ${number}`);
      if ((await one.query(api.counter.get, { name: "c" })) < number) throw new Error("own write not visible");
    }
    const http = new ConvexHttpClient(url, { logger: false });
    const read = await http.query(api.counter.get, { name: "c" });
    while (values.at(-1) !== 20) await new Promise((go) => setTimeout(go, 20));
    return { read, last: values.at(-1), rising: values.every((value, at) => !at || value > values[at - 1]) };
  },

  async reply(words = "60") {
    const alice = client("alice"), tab = client("alice");
    const sessionId = await alice.mutation(api.chat.startSession, {});
    const messageId = await alice.mutation(api.chat.sendMessage, { sessionId, content: `Tell me about tides in ${words} words` });
    const here = follow(alice, sessionId, messageId), there = follow(tab, sessionId, messageId);
    const [reply] = await Promise.all([ended(alice, sessionId, messageId), ended(tab, sessionId, messageId)]);
    while (here.text !== reply.content || there.text !== reply.content) await new Promise((go) => setTimeout(go, 20));
    const stranger = await client("bob").query(api.chat.getMessages, { sessionId });
    return { status: reply.status, chunks: here.chunks, same: here.text === there.text, length: reply.content.length, stranger };
  },

  /** Starts a reply, says when it has begun, and waits for its end, whatever happens to the server meanwhile. */
  async survivor() {
    const alice = client("alice");
    const sessionId = await alice.mutation(api.chat.startSession, {});
    const messageId = await alice.mutation(api.chat.sendMessage, { sessionId, content: "/pace 30\nWrite about rivers in 400 words" });
    const seen = follow(alice, sessionId, messageId);
    while (seen.chunks < 3) await new Promise((go) => setTimeout(go, 20));
    console.log(JSON.stringify({ begun: true, text: seen.text }));
    const reply = await ended(alice, sessionId, messageId);
    return { status: reply.status, reason: reply.reason, content: reply.content, seen: seen.text };
  },
};

try {
  console.log(JSON.stringify(await scenarios[scenario](...rest)));
  process.exit(0);
} catch (error) {
  console.error(error);
  process.exit(1);
}
