// The main job over a bad road: a reply is followed while its socket is cut, or while the server dies.
import { chat, check, open, proxy, same, say, token, until, watch } from "./lib.mjs";

/** Follow a reply as the shipped hook does: the cursor moves to the last sequence seen. */
function follow(client, sessionId, messageId, onPiece = () => {}) {
  const seen = { text: "", after: -1 };
  const look = () => {
    let moving = false;
    const leave = client.onUpdate(chat.subscribeToChunks, { sessionId, messageId, after: seen.after }, (page) => {
      const news = page.filter(({ sequence }) => sequence > seen.after);
      for (const { sequence, chunk } of news) {
        same(sequence, seen.after + 1, "no gap");
        seen.text += chunk;
        seen.after = sequence;
        onPiece(sequence);
      }
      if (!news.length || moving) return;
      moving = true;
      queueMicrotask(() => { leave(); look(); });
    });
  };
  look();
  return seen;
}

async function ended(client, sessionId, messageId) {
  const seen = watch(client, chat.subscribeToMessages, { sessionId });
  const reply = () => seen.values.at(-1)?.find((each) => each.messageId === messageId);
  await seen.until(() => reply()?.completed, "the end of the reply", 80000);
  return reply();
}

/** Two followers, one on a road that is cut at these pieces: both have the same text, which is the message's. */
export async function replyCut(url, { at }) {
  const road = await proxy(url), [far, near] = [road.url, url].map((way) => open(way));
  for (const client of [far, near]) client.setAuth(() => token(url, "alice"));
  const sessionId = await near.mutation(chat.startSession, {});
  const messageId = await far.mutation(chat.sendMessage, { sessionId, content: "/pace 30\nWrite about rivers in 300 words" });
  const here = follow(far, sessionId, messageId, (sequence) => { if (at.includes(sequence)) road.cut(); });
  const there = follow(near, sessionId, messageId);
  const reply = await ended(near, sessionId, messageId);
  same(reply.status, "completed", "status");
  await until(() => here.text === reply.content && there.text === reply.content, "the same text at both");
  check(road.count > 1, "the road was cut"); // several pieces may come in one answer
  return { pieces: here.after + 1, connections: road.count };
}

/** For the Python follower: starts a reply for alice and says where. */
export async function replyFor(url) {
  const client = open(url);
  client.setAuth(() => token(url, "alice"));
  const sessionId = await client.mutation(chat.startSession, {});
  const messageId = await client.mutation(chat.sendMessage, { sessionId, content: "Write about rivers in 120 words" });
  say({ sessionId, messageId });
  return (await ended(client, sessionId, messageId)).content;
}

/** A reply during which the server dies at this piece; says so, and tells what is left of it in the end. */
export async function replyKilled(url, { at }) {
  const client = open(url);
  client.setAuth(() => token(url, "alice"));
  const sessionId = await client.mutation(chat.startSession, {});
  const messageId = await client.mutation(chat.sendMessage, { sessionId, content: "/pace 30\nWrite about rivers in 400 words" });
  let said = false;
  const seen = follow(client, sessionId, messageId, (sequence) => {
    if (sequence < at || said) return;
    said = true;
    say({ piece: sequence });
  });
  const reply = await ended(client, sessionId, messageId);
  return { status: reply.status, content: reply.content, seen: seen.text };
}
