// A WebSocket for the official npm clients of Convex that sends no frame over a limit. See README.md.
//
// * Queries that do not fit one frame are sent in several (`querySets.js`).
// * A call that does not fit goes by HTTP (`calls.js`), and its answer is given to the client as if the socket had brought it.
//   Mutations keep their order: one that goes by HTTP waits for those before it, and those after it wait for it.
// * Own writes first: after a mutation has gone by HTTP all queries are asked for anew, and what the server says meanwhile
//   waits, so that the client sees the write, the end of its optimistic update and the answer at one moment.

import { Calls, httpAddress } from "./calls.js";
import { bytesOf, isOver, kilobytes, named } from "./frames.js";
import { QuerySets } from "./querySets.js";

/** API Gateway closes a socket that gets a frame over 32 KB (32,768 bytes); the rest is for what surrounds the text. */
const FRAME_BYTES = 32_000;
/** The server's limit for a request is 1 MiB (1,048,576 bytes). */
const BODY_BYTES = 1_048_000;
/** What the server says waits so long for the answer of a mutation that went by HTTP (ms), then no longer. */
const HOLD_MS = 5_000;

/**
 * A constructor for `webSocketConstructor`, for one client. Options: `WebSocket` (globalThis's), `fetch` (globalThis's),
 * `frameBytes`, `callBytes` and `bodyBytes` (limits), `info` (told before anything is done differently; `console.info`).
 */
export function largeFrames(options = {}) {
  const { frameBytes = FRAME_BYTES, callBytes = frameBytes, bodyBytes = BODY_BYTES, info = (text) => console.info(text) } = options;
  const Socket = options.WebSocket ?? globalThis.WebSocket;
  if (!Socket) throw new Error("There is no WebSocket here; give one: largeFrames({ WebSocket }).");
  const fetch = options.fetch ?? ((...request) => globalThis.fetch(...request));
  const shared = { Socket, calls: new Calls({ fetch, bodyBytes }), frameBytes, callBytes, info };
  return class extends Connection {
    constructor(url, protocols) {
      super(shared, url, protocols);
    }
  };
}

class Connection {
  onopen = null;
  onmessage = null;
  onerror = null;
  onclose = null;

  #inner;
  #calls;
  #limit;
  #callLimit;
  #info;
  #address;
  #queries;
  #over = new AbortController(); // ends what is under way when the connection is over
  #session = `socket-${crypto.randomUUID()}`; // a client that sends no Connect names no session
  #token = null;
  #identity = 0;
  #waiting = []; // frames behind a mutation that goes by HTTP
  #unanswered = new Set(); // mutations that the server has
  #unseen = false; // one of them was answered, and the Transition that shows its effect is still to come
  #large = null; // the mutation that is under way by HTTP: {frame, answer?, version?, release?}
  #holding = false;
  #parts = []; // of a Transition that comes in chunks

  constructor({ Socket, calls, frameBytes, callBytes, info }, url, protocols) {
    this.#calls = calls;
    this.#limit = frameBytes;
    this.#callLimit = callBytes;
    this.#info = info;
    this.#address = httpAddress(url);
    this.#queries = new QuerySets(frameBytes);
    this.#inner = new Socket(url, protocols);
    this.#inner.onopen = (event) => this.onopen?.(event);
    this.#inner.onerror = (event) => this.onerror?.(event);
    this.#inner.onmessage = (event) => this.#hear(event);
    this.#inner.onclose = (event) => {
      this.#over.abort();
      this.onclose?.(event);
    };
  }

  get #closed() {
    return this.#over.signal.aborted;
  }

  get readyState() {
    return this.#inner.readyState;
  }

  close(code, reason) {
    this.#over.abort();
    this.#inner.close(code, reason);
  }

  // What the client sends ------------------------------------------------------------------------------------------------

  send(text) {
    const frame = JSON.parse(text);
    // What depends on who calls, or on an order, waits behind a large mutation; a query only behind a change of who calls.
    const free = !["Mutation", "Action", "Authenticate"].includes(frame.type);
    if (free && !this.#waiting.some((each) => each.frame.type === "Authenticate")) this.#pass(frame, text);
    else {
      this.#waiting.push({ frame, text });
      this.#goOn();
    }
  }

  #goOn() {
    while (this.#waiting.length && !this.#large && !this.#closed) {
      const { frame, text } = this.#waiting[0];
      const byHttp = frame.type === "Mutation" && isOver(text, this.#callLimit);
      if (byHttp && (this.#unanswered.size || this.#unseen)) return; // those before it come first
      this.#waiting.shift();
      if (byHttp) this.#mutate(frame, text);
      else this.#pass(frame, text);
    }
  }

  #pass(frame, text) {
    const over = isOver(text, this.#limit);
    if (frame.type === "Connect") this.#session = frame.sessionId;
    if (frame.type === "ModifyQuerySet") return this.#subscribe(frame, over && text);
    if (frame.type === "Action" && isOver(text, this.#callLimit)) return void this.#act(frame, text);
    if (frame.type === "Event" && over) return; // telemetry, which nobody waits for
    if (frame.type === "Authenticate") {
      if (over) return this.#reject(`The token has ${kilobytes(bytesOf(text))}; it must fit ${kilobytes(this.#limit)}.`, true);
      this.#token = frame.tokenType === "User" ? frame.value : null;
    }
    if (frame.type === "Mutation") this.#unanswered.add(frame.requestId);
    this.#inner.send(text);
  }

  #subscribe(frame, over) {
    const frames = this.#queries.outgoing(frame);
    if (over) {
      const paths = named(frame.modifications.flatMap((each) => each.udfPath ?? []));
      this.#info(`concave: ${frame.modifications.length} queries (${paths}) are ${kilobytes(bytesOf(over))}; they go in ${frames.length} frames.`);
    }
    for (const each of frames) this.#inner.send(each);
  }

  #tellLarge(frame, text) {
    const size = kilobytes(bytesOf(text));
    this.#info(`concave: ${frame.udfPath} with its arguments is ${size}, over a frame's ${kilobytes(this.#callLimit)}; it goes by HTTP.`);
  }

  async #act(frame, text) {
    this.#tellLarge(frame, text);
    const answer = await this.#calls.action(this.#address, frame, this.#token, this.#over.signal);
    if (this.#closed) return;
    if (answer.status === "unauthenticated") return this.#reject(answer.errorMessage, false);
    this.#say({ type: "ActionResponse", requestId: frame.requestId, ...response(answer) });
  }

  async #mutate(frame, text) {
    this.#tellLarge(frame, text);
    const key = `${this.#session}:${frame.requestId}`;
    const large = { frame };
    this.#large = large;
    this.#holding = true;
    const timer = setTimeout(() => {
      this.#holding = false;
      this.#deliver();
    }, HOLD_MS);
    const answer = await this.#calls.mutation(this.#address, frame, this.#token, key, this.#over.signal);
    if (this.#closed) return clearTimeout(timer); // the client asks again on its next connection, with the same key
    if (answer.status === "unauthenticated") return this.#reject(answer.errorMessage, false);
    large.answer = answer;
    large.release = () => clearTimeout(timer);
    if (answer.status === "success") {
      const { frames, version } = this.#queries.renew();
      large.version = version;
      for (const each of frames) this.#inner.send(each);
    } else this.#settle(undefined);
  }

  // What the server says -------------------------------------------------------------------------------------------------

  #hear(event) {
    if (this.#closed) return;
    const message = this.#assembled(JSON.parse(event.data));
    if (message === null) return;
    if (message.type !== "Transition") {
      this.onmessage?.(event);
      if (message.type === "MutationResponse" && this.#unanswered.delete(message.requestId)) {
        this.#unseen ||= message.success;
        this.#goOn();
      }
      return;
    }
    this.#identity = message.endVersion.identity;
    try {
      this.#queries.incoming(message);
    } catch {
      return this.#inner.close(); // the next connection begins anew
    }
    const landed = this.#large?.answer && this.#queries.arrived >= this.#large.version;
    if (landed) this.#settle(message.endVersion.ts);
    else this.#deliver();
    this.#unseen = false;
    this.#goOn();
  }

  /** A Transition in chunks, when all of them are here; null until then. */
  #assembled(message) {
    if (message.type !== "TransitionChunk") return message;
    if (message.partNumber === 0) this.#parts = [];
    this.#parts.push(message.chunk);
    return this.#parts.length === message.totalParts ? JSON.parse(this.#parts.join("")) : null;
  }

  /** Give the client what has come, unless it has to wait. */
  #deliver() {
    if (this.#holding || this.#closed) return;
    const transition = this.#queries.take();
    if (transition) this.#say(transition);
  }

  /** The large mutation is answered; `ts` is that of the Transition which shows its effect. */
  #settle(ts) {
    const { frame, answer, release } = this.#large;
    release();
    this.#large = null;
    this.#holding = false;
    this.#say({ type: "MutationResponse", requestId: frame.requestId, ...response(answer), ...(ts !== undefined && { ts }) });
    this.#deliver();
    this.#goOn();
  }

  /** Whoever calls has to sign in anew: the client does, on another connection. */
  #reject(error, authUpdateAttempted) {
    this.#say({ type: "AuthError", error, baseVersion: this.#identity, authUpdateAttempted });
    this.#inner.close();
  }

  #say(message) {
    this.onmessage?.({ data: JSON.stringify(message) });
  }
}

/** An answer of the HTTP API in the words of the socket's. */
function response({ status, value, errorMessage, errorData, logLines }) {
  if (status === "success") return { success: true, result: value, logLines };
  return { success: false, result: errorMessage, logLines, ...(errorData !== undefined && { errorData }) };
}
