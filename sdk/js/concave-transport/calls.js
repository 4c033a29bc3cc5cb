// Calls that are too large for a socket's frame, sent by HTTP.

import { bytesOf, kilobytes } from "./frames.js";

const FIRST_WAIT_MS = 300;
const LONGEST_WAIT_MS = 10_000;
/** Answers that say nothing about the call itself: the way to the server is broken, or it is busy. */
const TRY_AGAIN = [408, 425, 502, 503, 504];

/** The address of the HTTP API that belongs to a sync socket's. */
export function httpAddress(socketAddress) {
  const url = new URL(socketAddress);
  url.protocol = url.protocol === "wss:" ? "https:" : "http:";
  url.pathname = url.pathname.replace(/\/api(\/[^/]+)?\/sync\/?$/, "").replace(/\/+$/, "");
  return url.origin + url.pathname;
}

/**
 * The calls of all connections of a client. A mutation has an idempotency key, so it is sent again until it is answered, and
 * takes effect once; when the socket is replaced meanwhile, the client asks again and meets the same call.
 */
export class Calls {
  #underway = new Map(); // key → {answer, wanted}

  /** @param {{ fetch: typeof fetch, bodyBytes: number }} options */
  constructor({ fetch, bodyBytes }) {
    this.fetch = fetch;
    this.bodyBytes = bodyBytes;
  }

  /**
   * A mutation's answer: `{status: "success", value, logLines}`, `{status: "error", errorMessage, errorData, logLines}`,
   * `{status: "unauthenticated", errorMessage}`, or null when `wanted` said no before there was one.
   */
  mutation(address, frame, token, key, wanted) {
    const call = this.#underway.get(key);
    if (call) {
      call.wanted = wanted;
      return call.answer;
    }
    const begun = { wanted, answer: undefined };
    begun.answer = this.#untilAnswered(address, frame, token, key, begun).then((answer) => {
      if (answer === null || answer.status === "unauthenticated") this.forget(key);
      return answer;
    });
    this.#underway.set(key, begun);
    return begun.answer;
  }

  /** The client has the answer; nobody will ask for it again. */
  forget(key) {
    this.#underway.delete(key);
  }

  /** An action's answer, as a mutation's. It is sent once: whether it ran is not known when its answer is lost. */
  async action(address, frame, token) {
    try {
      const told = await this.#post(`${address}/api/action`, frame, token);
      return told.answer ?? failed(`${told.problem} Whether the action ran is not known.`);
    } catch (problem) {
      return failed(`Connection lost while action was in flight (${problem.message})`);
    }
  }

  async #untilAnswered(address, frame, token, key, call) {
    for (let wait = FIRST_WAIT_MS; call.wanted(); wait = Math.min(wait * 2, LONGEST_WAIT_MS)) {
      try {
        const { answer } = await this.#post(`${address}/api/mutation`, frame, token, { "Idempotency-Key": key });
        if (answer) return answer;
      } catch (problem) {
        if (!(problem instanceof TypeError)) throw problem; // fetch's word for "no way to the server"
      }
      await new Promise((go) => setTimeout(go, wait * (0.5 + Math.random())));
    }
    return null;
  }

  /** One request: its `answer`, or the `problem` that another try may not have. */
  async #post(url, { udfPath: path, args }, token, headers = {}) {
    const body = JSON.stringify({ path, format: "convex_encoded_json", args });
    const size = bytesOf(body);
    if (size > this.bodyBytes) {
      const message = `This holds ${kilobytes(size)}; a call holds at most ${kilobytes(this.bodyBytes)}.`;
      return { answer: { ...failed(message), errorData: { code: "TooLarge", message } } };
    }
    const authorization = token === null ? {} : { Authorization: `Bearer ${token}` };
    const told = await this.fetch(url, {
      method: "POST",
      headers: { "Content-Type": "application/json", ...authorization, ...headers },
      body,
    });
    const text = await told.text();
    const said = read(text);
    if (told.ok && said?.status) return { answer: { logLines: [], ...said } };
    const problem = said?.message ?? `The server answered ${told.status}.`;
    if (told.status === 401) return { answer: { status: "unauthenticated", errorMessage: problem } };
    if (told.ok || TRY_AGAIN.includes(told.status)) return { problem };
    return { answer: { ...failed(problem), errorData: { code: said?.code ?? "HttpError", message: problem } } };
  }
}

const failed = (errorMessage) => ({ status: "error", errorMessage, logLines: [] });

function read(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null; // a page of a proxy, perhaps: not an answer of the server's
  }
}
