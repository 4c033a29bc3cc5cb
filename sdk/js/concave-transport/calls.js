// Calls that are too large for a socket's frame, sent by HTTP.

import { bytesOf, kilobytes } from "./frames.js";

const FIRST_WAIT_MS = 300;
const LONGEST_WAIT_MS = 10_000;
/** No invocation behind API Gateway answers later than 29 s; what is silent for longer is a broken connection. */
const ATTEMPT_MS = 35_000;
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
 * Sends calls. Their answers: `{status: "success", value, logLines}`, `{status: "error", errorMessage, errorData, logLines}`,
 * `{status: "unauthenticated", errorMessage}`.
 */
export class Calls {
  /** @param {{ fetch: typeof fetch, bodyBytes: number }} options */
  constructor({ fetch, bodyBytes }) {
    this.fetch = fetch;
    this.bodyBytes = bodyBytes;
  }

  /**
   * A mutation's answer; null when the signal ended it. It has an idempotency key, so it is sent again until it is answered,
   * by this connection or the next, and takes effect once: the server gives the answer of the first time.
   */
  async mutation(address, frame, token, key, signal) {
    for (let wait = FIRST_WAIT_MS; !signal.aborted; wait = Math.min(wait * 2, LONGEST_WAIT_MS)) {
      const attempt = within(signal, ATTEMPT_MS);
      try {
        const { answer } = await this.#post(`${address}/api/mutation`, frame, token, attempt.signal, { "Idempotency-Key": key });
        if (answer) return answer;
      } catch (problem) {
        // fetch's words for "no way to the server" and for an end that the signal has made
        if (!(problem instanceof TypeError) && problem.name !== "AbortError") throw problem;
      } finally {
        attempt.over();
      }
      await pause(wait * (0.5 + Math.random()), signal);
    }
    return null;
  }

  /** An action's answer. It is sent once: whether it ran is not known when its answer is lost. */
  async action(address, frame, token, signal) {
    try {
      const told = await this.#post(`${address}/api/action`, frame, token, signal);
      return told.answer ?? failed(`${told.problem} Whether the action ran is not known.`);
    } catch (problem) {
      return failed(`Connection lost while action was in flight (${problem.message})`);
    }
  }

  /** One request: its `answer`, or the `problem` that another try may not have. */
  async #post(url, { udfPath: path, args }, token, signal, headers = {}) {
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
      signal,
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

/** A signal that ends with another one, or after so many milliseconds; `over` when it is not needed any more. */
function within(signal, ms) {
  const controller = new AbortController();
  const end = () => controller.abort();
  const timer = setTimeout(end, ms);
  signal.addEventListener("abort", end);
  const over = () => {
    clearTimeout(timer);
    signal.removeEventListener("abort", end);
  };
  return { signal: controller.signal, over };
}

/** Resolves after so many milliseconds, or when the signal ends it. */
const pause = (ms, signal) =>
  new Promise((go) => {
    const timer = setTimeout(done, ms);
    function done() {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      go();
    }
    if (signal.aborted) done();
    else signal.addEventListener("abort", done);
  });
