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

/** A socket that remembers every event, and can be waited on. */
const connect = (token, more = {}) => {
  const socket = io(`${url}/chat`, { auth: { token }, transports: ["websocket"], forceNew: true, reconnectionDelay: 50, ...more });
  socket.heard = [];
  socket.onAny((event, data) => socket.heard.push([event, data]));
  socket.wait = async (event, fits = () => true, ms = 10_000) => {
    const until = Date.now() + ms;
    for (;;) {
      const found = socket.heard.find(([name, data]) => name === event && fits(data));
      if (found) return found[1];
      if (Date.now() > until) throw new Error(`no ${event}; heard ${JSON.stringify(socket.heard)}`);
      await new Promise((next) => setTimeout(next, 10));
    }
  };
  socket.ask = (event, data) => socket.timeout(10_000).emitWithAck(event, data);
  socket.heardOf = (event) => socket.heard.filter(([name]) => name === event).map(([, data]) => data);
  return socket;
};
const agentOf = async (user, agentId, settings = {}) => {
  await call("POST", "/agents", { agentId, settings }, user);
  return (await call("POST", `/agents/${agentId}/connect`, {}, user)).accessToken;
};
const quiet = (ms = 300) => new Promise((next) => setTimeout(next, ms));

const scenarios = {
  /** 002-33 and 34: the agent connects, sends without joining, reconnects with the same token, and is where it was. */
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
  /** Who has no good token is refused, in each of the three ways to bring one (002-02, 03, U01). */
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
};
const found = await scenarios[scenario]();
console.log(JSON.stringify(found ?? "fine"));
process.exit(0);
