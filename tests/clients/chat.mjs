// The main job over a bad road: a reply is followed while its socket is cut, or while the server dies.
import { chat, check, open, proxy, same, say, token, until, watch } from "./lib.mjs";

/**
 * Follow a reply as the page does: each update tells the newest chunk, and what was missed is asked for once. Where gaps come
 * one upon another, each update tells more for a while (`web/src/lib/following.ts`).
 */
function follow(client, sessionId, messageId, onChunk = () => {}) {
  const seen = { text: "", after: -1 };
  let width = 1, calm = 2, gap = false, newest = [], leave;
  const add = (chunks) => {
    for (const { sequence, chunk } of chunks) {
      if (sequence <= seen.after) continue;
      same(sequence, seen.after + 1, "no gap");
      seen.text += chunk;
      seen.after = sequence;
      onChunk(sequence);
    }
  };
  const look = () => {
    if (!newest.length || newest.at(-1).sequence <= seen.after) return;
    if (newest[0].sequence > seen.after + 1) return miss();
    add(newest);
    calm += 1;
    if (width === 1 || calm <= 16) return;
    [width, calm] = [width / 2, 2];
    queueMicrotask(watchNewest);
  };
  const miss = () => {
    if (gap) return;
    [gap, width, calm] = [true, calm < 2 ? Math.min(2 * width, 8) : width, 0];
    const limit = Math.min(newest.at(-1).sequence - seen.after, 64);
    let filled = false;
    const enough = client.onUpdate(chat.followReply, { sessionId, messageId, after: seen.after, limit }, (page) => {
      if (filled) return;
      [filled, gap] = [true, false];
      add(page);
      queueMicrotask(() => { enough(); watchNewest(); });
    });
  };
  const watchNewest = () => {
    const before = leave;
    leave = client.onUpdate(chat.followReply, { sessionId, messageId, limit: width }, (chunks) => { newest = chunks; look(); });
    before?.();
    look();
  };
  watchNewest();
  return seen;
}

async function ended(client, sessionId, messageId) {
  const seen = watch(client, chat.subscribeToMessages, { sessionId });
  const reply = () => seen.values.at(-1)?.find((each) => each.messageId === messageId);
  await seen.until(() => reply()?.completed, "the end of the reply", 80000);
  return reply();
}

/** Two followers, one on a road that is cut at these chunks: both have the same text, which is the message's. */
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
  check(road.count > 1, "the road was cut"); // several chunks may come in one answer
  return { chunks: here.after + 1, connections: road.count };
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

/** A reply during which the server dies at this chunk; says so, and tells what is left of it in the end. */
export async function replyKilled(url, { at }) {
  const client = open(url);
  client.setAuth(() => token(url, "alice"));
  const sessionId = await client.mutation(chat.startSession, {});
  const messageId = await client.mutation(chat.sendMessage, { sessionId, content: "/pace 30\nWrite about rivers in 400 words" });
  let said = false;
  const seen = follow(client, sessionId, messageId, (sequence) => {
    if (sequence < at || said) return;
    said = true;
    say({ chunk: sequence });
  });
  const reply = await ended(client, sessionId, messageId);
  return { status: reply.status, content: reply.content, seen: seen.text };
}

/**
 * One reply for each chunk number below `chunks`, all at once, each followed on a road of its own that is cut at that chunk.
 * Each has the whole text in the end, and has seen no chunk twice or out of order (`follow`).
 */
export async function replyCutAtEach(url, { chunks }) {
  const cutAt = async (at) => {
    const road = await proxy(url), client = open(road.url);
    client.setAuth(() => token(url, "alice"));
    const sessionId = await client.mutation(chat.startSession, {});
    const messageId = await client.mutation(chat.sendMessage, { sessionId, content: "/pace 60\nWrite about rivers in 270 words" });
    let cut = 0;
    const seen = follow(client, sessionId, messageId, (sequence) => {
      if (sequence === at) { cut += 1; road.cut(); }
    });
    const reply = await ended(client, sessionId, messageId);
    same(reply.status, "completed", `cut at ${at}: status`);
    await until(() => seen.text === reply.content, `cut at ${at}: the same text`);
    same(cut, 1, `cut at ${at}: times`);
    check(road.count > 1, `cut at ${at}: came back`);
    return seen.after + 1;
  };
  return { chunks: await Promise.all(Array.from({ length: chunks }, (_, at) => cutAt(at))) };
}

/** What a reply costs who follows it: bytes from the server, sockets' frames included, for `words` words. */
export async function replyBytes(url, { words }) {
  const road = await proxy(url), far = open(road.url), near = open(url);
  for (const client of [far, near]) client.setAuth(() => token(url, "alice"));
  const sessionId = await near.mutation(chat.startSession, {});
  await far.query(chat.getSession, { sessionId }); // signed in, and quiet
  const before = road.bytes;
  const messageId = await near.mutation(chat.sendMessage, { sessionId, content: `/pace 4000\nWrite about rivers in ${words} words` });
  const seen = follow(far, sessionId, messageId);
  const reply = await ended(near, sessionId, messageId);
  await until(() => seen.text === reply.content, "the same text");
  return { chars: reply.content.length, bytes: road.bytes - before, chunks: seen.after + 1 };
}
