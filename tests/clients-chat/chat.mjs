// The chat gateway as a client sees it, with the official Socket.IO client: node chat.mjs <url> <scenario> <JSON options>.
// A scenario prints what it found as its last line, or throws.
import assert from "node:assert/strict";
import { io } from "socket.io-client";

const [url, scenario, text] = process.argv.slice(2);
const options = JSON.parse(text ?? "{}");

export const call = async (method, path, body, token) => {
  const headers = { "content-type": "application/json", ...(token ? { authorization: `Bearer ${token}` } : {}) };
  const answer = await fetch(url + path, { method, headers, body: body && JSON.stringify(body) });
  const told = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(`${method} ${path}: ${answer.status} ${told.message}`), told);
  return told;
};
const tokenOf = async (subject, org = "acme") => (await call("POST", "/dev/token", { subject, org })).token;

/** The client's defaults begin with polls; most programs name the one transport. */
const transports = options.defaults ? {} : { transports: ["websocket"] };
/** A socket that remembers every event, and can be waited on. */
const connect = (token, more = {}) => {
  const socket = io(`${url}/chat`, { auth: { token }, ...transports, forceNew: true, reconnectionDelay: 50, ...more });
  socket.heard = [];
  socket.onAny((event, data) => socket.heard.push([event, data]));
  socket.wait = async (event, fits = () => true, ms = options.patience ?? 10_000) => {
    const until = Date.now() + ms;
    for (;;) {
      const found = socket.heard.find(([name, data]) => name === event && fits(data));
      if (found) return found[1];
      if (Date.now() > until) throw new Error(`no ${event}; heard ${JSON.stringify(socket.heard)}`);
      await new Promise((next) => setTimeout(next, 10));
    }
  };
  socket.ask = (event, data) => socket.timeout(options.patience ?? 10_000).emitWithAck(event, data);
  socket.heardOf = (event) => socket.heard.filter(([name]) => name === event).map(([, data]) => data);
  return socket;
};
const agentOf = async (user, agentId, settings = {}) => {
  await call("POST", "/agents", { id: agentId, settings }, user);
  return (await call("POST", `/agents/${agentId}/connect`, {}, user)).accessToken;
};
const quiet = (ms = 300) => new Promise((next) => setTimeout(next, ms));

const scenarios = {
  /** The agent connects, sends without joining, reconnects with the same token, and is where it was. */
  async flows() {
    const user = await tokenOf("alice");
    const token = await agentOf(user, options.agent);
    let agent = connect(token);
    const ready = await agent.wait("connection:ready");
    const here = await agent.wait("presence:update", (data) => data.agentId === options.agent);
    assert.equal(here.type, "agent");
    assert.equal(here.status, "online");
    assert.equal(here.conversationId, ready.conversationId);
    const first = await agent.ask("message:send", { conversationId: ready.conversationId, role: "assistant", content: "Hello!" });
    assert.equal(first.success, true);
    const path = `/conversations?filter[agentId]=${options.agent}&filter[status]=active`;
    const { data } = await call("GET", path, undefined, user);
    assert.equal(data.length, 1);
    assert.deepEqual([data[0]._id, data[0].agentId, data[0].status], [ready.conversationId, options.agent, "active"]);
    assert.equal(data[0].title, `Agent ${options.agent} - Auto Conversation`);
    agent.disconnect();
    agent = connect(token);
    const again = await agent.wait("connection:ready");
    assert.equal(again.conversationId, ready.conversationId);
    assert.equal((await agent.ask("message:send", { content: "again" })).message.sequence, 2);
    agent.disconnect();
    return { conversationId: ready.conversationId };
  },
  /** A program that names nothing but the address and a token, as it stands in Socket.IO's documentation. */
  async program() {
    const socket = io(`${url}/chat`, { auth: { token: await tokenOf("alice") } });
    const errors = [];
    socket.on("connect_error", (error) => errors.push(error.message));
    socket.on("disconnect", (reason) => errors.push(reason));
    const ready = await new Promise((tell) => socket.on("connection:ready", tell));
    const answer = await socket.timeout(10_000).emitWithAck("conversation:join", { conversationId: "nowhere" });
    await quiet(1000);
    const { name } = socket.io.engine.transport;
    const heard = [...errors];
    socket.disconnect();
    return { errors: heard, user: ready.userId, joined: answer.success, transport: name };
  },
  /** Many programs at once, each beginning with polls. */
  async programs() {
    const token = await tokenOf("alice");
    const sockets = Array.from({ length: 20 }, () => connect(token));
    await Promise.all(sockets.map((socket) => socket.wait("connection:ready")));
    const names = sockets.map((socket) => socket.io.engine.transport.name);
    sockets.forEach((socket) => socket.disconnect());
    return [...new Set(names)];
  },
  /** Who has no good token is refused, in each of the three ways to bring one. */
  async tokens() {
    const good = await tokenOf("alice");
    const found = [];
    const ways = (token) => [
      { auth: { token } },
      { auth: {}, query: { token } },
      { auth: {}, extraHeaders: { authorization: `Bearer ${token}` } },
    ];
    for (const token of [good, "nonsense"]) {
      for (const way of ways(token)) {
        const socket = connect(token, { reconnection: false, ...way });
        found.push(await new Promise((tell) => {
          socket.on("connection:ready", (data) => tell(data.userId));
          socket.on("connect_error", () => tell("refused"));
          setTimeout(() => tell("nothing"), 8000);
        }));
        socket.disconnect();
      }
    }
    const nobody = connect(undefined, { reconnection: false });
    found.push(await new Promise((tell) => nobody.on("connect_error", (error) => tell(error.message))));
    nobody.disconnect();
    return found;
  },
  /** The ten steps of the original's manual script: log in, create, connect, join, send, type, online, read, leave, go. */
  async steps() {
    const [alice, bob] = await Promise.all([tokenOf("alice"), tokenOf("bob")]);
    const created = (await call("POST", "/conversations", { title: "Planning" }, alice)).data;
    assert.equal(created.title, "Planning");
    const path = `/conversations/${created._id}`;
    await call("POST", `${path}/participants/add`, { participantType: "user", participantId: "bob" }, alice);
    const [one, two] = [connect(alice), connect(bob)];
    await Promise.all([one.wait("connection:ready"), two.wait("connection:ready")]);
    const joins = await Promise.all([one, two].map((each) => each.ask("conversation:join", { conversationId: created._id })));
    assert.ok(joins.every((each) => each.success && each.conversation._id === created._id));
    await one.wait("presence:update", (data) => data.userId === "bob" && data.status === "online");
    const sent = await one.ask("message:send", { conversationId: created._id, role: "user", content: "Shall we?" });
    assert.equal(sent.success, true);
    const heard = await two.wait("message:new");
    assert.deepEqual([heard.content, heard.role, heard.participantId], ["Shall we?", "user", "alice"]);
    assert.equal((await one.wait("message:sent")).messageId, heard.messageId);
    for (const isTyping of [true, false]) {
      assert.deepEqual(await two.ask("message:typing", { conversationId: created._id, isTyping }), { success: true });
      await one.wait("user:typing", (data) => data.userId === "bob" && data.isTyping === isTyping);
    }
    const online = await one.ask("conversation:online", { conversationId: created._id });
    assert.deepEqual(online.onlineUsers, ["alice", "bob"]);
    assert.equal((await two.ask("message:read", { conversationId: created._id, messageId: heard.messageId })).success, true);
    assert.equal((await one.wait("message:read")).userId, "bob");
    assert.equal((await call("GET", `${path}/unread`, undefined, bob)).data.unread, 0);
    const refused = await one.ask("message:send", { conversationId: created._id, role: "assistant", content: "I am the agent" });
    assert.deepEqual([refused.success, refused.code], [false, "RoleNotAllowed"]);
    assert.equal((await one.wait("message:error")).code, "RoleNotAllowed");
    const strange = await one.ask("conversation:explode", {});
    assert.equal(strange.success, false);
    assert.equal((await two.ask("conversation:leave", { conversationId: created._id })).success, true);
    await one.wait("user:left", (data) => data.userId === "bob");
    await one.wait("presence:update", (data) => data.userId === "bob" && data.status === "offline");
    const lost = await two.ask("message:send", { content: "where am I?" });
    assert.match(lost.error, /No conversation found. Please join a conversation first./);
    assert.equal(one.heardOf("user:typing").filter((data) => data.userId === "alice").length, 0);
    assert.equal(two.heardOf("message:read").length, 0);
    two.disconnect();
    one.disconnect();
    const { data } = await call("GET", `${path}/messages`, undefined, alice);
    assert.deepEqual(data.map((each) => each.content), ["Shall we?"]);
  },
  /** The document's own two programs: an agent that answers, a user who joins its conversation. */
  async echo() {
    const user = await tokenOf("alice");
    const agent = connect(await agentOf(user, options.agent));
    const { conversationId } = await agent.wait("connection:ready");
    agent.on("message:new", (message) => agent.emit("message:send", { conversationId, role: "assistant", content: `You said: ${message.content}` }));
    const person = connect(user);
    await person.wait("connection:ready");
    assert.equal((await person.ask("conversation:join", { conversationId })).success, true);
    for (const content of ["one", "two", "three"]) {
      person.emit("message:send", { conversationId, content });
      await person.wait("message:new", (message) => message.content === `You said: ${content}`);
    }
    await quiet();
    const { data } = await call("GET", `/conversations/${conversationId}/messages`, undefined, user);
    assert.equal(data.length, 6, "nobody answers himself");
    agent.disconnect();
    person.disconnect();
  },
  /** A burst in one go arrives whole and in order. */
  async burst() {
    const user = await tokenOf("alice");
    const agent = connect(await agentOf(user, options.agent));
    const { conversationId } = await agent.wait("connection:ready");
    const person = connect(user);
    await person.wait("connection:ready");
    await person.ask("conversation:join", { conversationId });
    const acks = await Promise.all(Array.from({ length: 30 }, (_, number) => person.ask("message:send", { content: `m${number}` })));
    assert.ok(acks.every((each) => each.success));
    await agent.wait("message:new", (message) => message.sequence === 30);
    const heard = agent.heardOf("message:new").map((each) => each.sequence);
    assert.deepEqual(heard, heard.toSorted((a, b) => a - b));
    assert.equal(heard.length, 30);
    agent.disconnect();
    person.disconnect();
    return agent.heardOf("message:new").map((each) => Number(each.content.slice(1)));
  },
  /** The line is cut under the client; it comes back by itself and has missed nothing (connection state recovery). */
  async recovers() {
    const user = await tokenOf("alice");
    const agent = connect(await agentOf(user, options.agent));
    const { conversationId } = await agent.wait("connection:ready");
    const person = connect(user, { reconnectionDelay: 400, reconnectionDelayMax: 400 });
    await person.wait("connection:ready");
    await person.ask("conversation:join", { conversationId });
    await agent.ask("message:send", { content: "before" });
    await person.wait("message:new", (message) => message.content === "before");
    const back = new Promise((next) => person.once("connect", () => next(person.recovered)));
    person.io.engine.close();
    for (let number = 0; number < 25; number += 1) await agent.ask("message:send", { content: `missed ${number}` });
    assert.equal(await back, true);
    await person.wait("message:new", (message) => message.content === "missed 24");
    assert.deepEqual(person.heardOf("message:new").map((each) => each.sequence), Array.from({ length: 26 }, (_, number) => number + 1));
    agent.disconnect();
    person.disconnect();
  },
  /** Cut before its first message: an agent right after it was connected, a person right after the conversation was joined. */
  async cutEarly() {
    const user = await tokenOf("alice");
    const agent = connect(await agentOf(user, options.agent), { reconnectionDelay: 400, reconnectionDelayMax: 400 });
    const { conversationId } = await agent.wait("connection:ready");
    const person = connect(user, { reconnectionDelay: 400, reconnectionDelayMax: 400 });
    await person.wait("connection:ready");
    await person.ask("conversation:join", { conversationId });
    await person.wait("presence:update");
    const other = connect(user);
    await other.wait("connection:ready");
    await other.ask("conversation:join", { conversationId });
    const back = [agent, person].map((each) => new Promise((next) => each.once("connect", () => next(each.recovered))));
    for (const each of [agent, person]) each.io.engine.close();
    for (let number = 0; number < 3; number += 1) await other.ask("message:send", { content: `missed ${number}` });
    assert.deepEqual(await Promise.all(back), [true, true]);
    for (const each of [agent, person]) {
      await each.wait("message:new", (message) => message.content === "missed 2");
      assert.deepEqual(each.heardOf("message:new").map((message) => message.content), ["missed 0", "missed 1", "missed 2"]);
    }
    for (const each of [agent, person, other]) each.disconnect();
  },
  /** Suspended while connected: told, closed, and refused from then on. */
  async suspended() {
    const user = await tokenOf("alice");
    const token = await agentOf(user, options.agent);
    const agent = connect(token, { reconnection: false });
    await agent.wait("connection:ready");
    const gone = new Promise((next) => agent.on("disconnect", next));
    await call("POST", `/agents/${options.agent}/suspend`, {}, user);
    await gone;
    assert.match((await agent.wait("error")).error, /suspended/);
    const again = connect(token, { reconnection: false });
    assert.match(await new Promise((tell) => again.on("connect_error", (error) => tell(error.message))), /suspended/);
    again.disconnect();
  },
  /** The engine of images, in requests without acknowledgements: an image, a message, its events with their context, a stop. */
  async agentx() {
    const [one, other] = [connect(await tokenOf(options.user)), connect(await tokenOf("somebody-else"))];
    await Promise.all([one.wait("connection:ready"), other.wait("connection:ready")]);
    let requests = 0;
    const request = (name, data = {}, socket = one) => {
      const requestId = `r${(requests += 1)}`;
      socket.emit(`${name}_request`, { ...data, requestId });
      return socket.wait(`${name}_response`, (told) => told.requestId === requestId);
    };
    const domain = (await request("container_create", { name: "Support", systemPrompt: "Be short." })).record;
    const config = { name: "Case", systemPrompt: "Be shorter." };
    const made = await request("image_create", { containerId: `domain_${domain.domainId}`, config });
    const { imageId, sessionId } = made.record;
    assert.match(imageId, /^img_/);
    const of = (event) => one.heardOf(event).filter((data) => data.context?.imageId === imageId);
    const sent = await request("message_send", { imageId, content: "/say Hello there." });
    await one.wait("conversation_end", (data) => data.messageId === sent.messageId);
    assert.equal(of("text_delta").map((data) => data.text).join("").trim(), "Hello there.");
    for (const [event, data] of one.heard) {
      if (!data?.context) continue;
      const { containerId, agentId } = data.context;
      assert.deepEqual([containerId, data.context.sessionId, agentId.slice(0, 6)], [`domain_${domain.domainId}`, sessionId, "agent_"], event);
    }
    const { messages } = await request("image_messages", { imageId });
    assert.deepEqual(messages.map((each) => each.content.trim()), ["/say Hello there.", "Hello there."]);
    const long = await request("message_send", { imageId, content: "/pace 30\nwrite 5000 characters" });
    await one.wait("text_delta", (data) => data.messageId === long.messageId);
    assert.equal((await request("agent_interrupt", { imageId })).interrupted, true);
    const cut = await one.wait("message_interrupted", (data) => data.messageId === long.messageId);
    const ended = await one.wait("conversation_end", (data) => data.messageId === long.messageId);
    assert.equal(ended.status, "aborted");
    const told = of("text_delta").filter((data) => data.messageId === long.messageId).map((data) => data.text).join("");
    assert.equal(told, cut.content);
    assert.ok(told.length > 0 && told.length < 5000);
    assert.equal((await request("image_get", { imageId }, other)).error.code, "IMAGE_NOT_FOUND");
    assert.equal(other.heard.filter(([, data]) => data?.context).length, 0);
    one.disconnect();
    other.disconnect();
  },
  /** Stays, says what it hears, and sends what it is told on its standard input. */
  async follow() {
    const socket = connect(options.token ?? (await tokenOf("alice")));
    await socket.wait("connection:ready");
    const joined = await socket.ask("conversation:join", { conversationId: options.conversationId });
    assert.equal(joined.success, true);
    socket.on("message:new", (message) => console.log(JSON.stringify({ role: message.role, content: message.content })));
    console.log(JSON.stringify("joined"));
    for await (const line of process.stdin) {
      const ack = await socket.ask("message:send", { content: String(line).trim() });
      assert.equal(ack.success, true);
    }
  },
};
const found = await scenarios[scenario]();
console.log(JSON.stringify(found ?? "fine"));
process.exit(0);
