export interface LargeFramesOptions {
  /** What carries the frames; globalThis's. In Node before 22, that of the package `ws`. */
  WebSocket?: unknown;
  /** What carries large calls; globalThis's. */
  fetch?: typeof fetch;
  /** The bytes (UTF-8) that a frame may have; 32,000. */
  frameBytes?: number;
  /** Calls of more bytes than this go by HTTP; as many as a frame may have. */
  callBytes?: number;
  /** The bytes (UTF-8) that a call by HTTP may have; 1,048,000. A larger one is refused before it is sent. */
  bodyBytes?: number;
  /** Told in one sentence before anything is split or goes by HTTP; `console.info`. */
  info?: (text: string) => void;
}

/** A constructor for the option `webSocketConstructor` of Convex's npm clients; make one for each client. */
export function largeFrames(options?: LargeFramesOptions): typeof WebSocket;
