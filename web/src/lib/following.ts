/**
 * A reply while it is being written, put together from updates that tell its newest chunks and nothing before them.
 *
 * Whoever follows holds the text, so an update needs only what is new: one chunk, where each update is seen. An update is not the
 * next one where others were skipped: the connection was gone, the page came late, or two came at once. That is a gap; what is
 * missing is asked for once, page by page, and the newest chunks are added behind it. Where gaps come one upon another each update
 * tells more chunks, so that a slow page asks less, until it has been without a gap for a while.
 */
import type { ChunkText } from "./views";

/** As many chunks as a page of what is missing may hold. */
const PAGE = 64;
/** Each update tells so many chunks at most. */
const WIDEST = 8;
/** Gaps with fewer updates between them are one upon another: then asking costs more than wider updates do. */
const CLOSE = 2;
/** After so many updates without a gap, they are half as wide. */
const CALM = 16;

/** What has arrived of a reply that is being written; parts are what came between its text, none while there is only text. */
export interface Arrived {
  text: string;
  parts: readonly unknown[] | undefined;
}

/** A reply as far as it is followed. It is never changed: what comes makes another. */
export interface Following extends Arrived {
  messageId: string | undefined;
  /** The last sequence number that is in `text`. */
  last: number;
  /** The newest chunks are not the next ones: so many chunks after `last` are asked for. */
  missing: number;
  /** How many chunks an update tells. */
  width: number;
  /** Updates since the last gap, or since they were made narrower. */
  calm: number;
}

/** Nothing has arrived yet. */
export const begin = (messageId: string | undefined): Following => ({
  messageId,
  text: "",
  parts: undefined,
  last: -1,
  missing: 0,
  width: 1,
  calm: CLOSE,
});

/**
 * What there is when something came; the same object where nothing did.
 *
 * @param newest the newest chunks, in order; undefined while they are asked for.
 * @param page the chunks after `followed.last`, where some were missing and are here.
 */
export function take(
  followed: Following,
  newest: readonly ChunkText[] | undefined,
  page: readonly ChunkText[] | undefined,
): Following {
  const filled = page ? added(followed, page) : followed;
  const first = newest?.[0];
  const last = newest?.at(-1);
  if (newest === undefined || first === undefined || last === undefined) return filled;
  if (first.sequence <= filled.last + 1) {
    const next = added(filled, newest);
    if (next === filled && !next.missing) return next;
    const narrow = next.width > 1 && next.calm >= CALM;
    return { ...next, missing: 0, ...(narrow ? { width: next.width / 2, calm: CLOSE } : { calm: next.calm + 1 }) };
  }
  if (filled.missing && filled.last === followed.last) return filled; // it is on its way
  const missing = Math.min(last.sequence - filled.last, PAGE);
  if (filled.missing) return { ...filled, missing };
  return { ...filled, missing, calm: 0, width: filled.calm < CLOSE ? Math.min(2 * filled.width, WIDEST) : filled.width };
}

/** With the chunks that are not there yet. */
function added(followed: Following, chunks: readonly ChunkText[]): Following {
  const fresh = chunks.filter(({ sequence }) => sequence > followed.last);
  const last = fresh.at(-1)?.sequence;
  if (last === undefined) return followed;
  const { text, parts } = fresh.reduce<Arrived>(joined, followed);
  return { ...followed, text, parts, last };
}

function joined({ text, parts }: Arrived, { chunk, part }: ChunkText): Arrived {
  const said = text + chunk;
  if (part !== undefined) return { text: said, parts: [...(parts ?? (text ? [{ type: "text", text }] : [])), part] };
  if (parts === undefined || chunk === "") return { text: said, parts };
  const last = parts.at(-1);
  const before = isText(last) ? parts.slice(0, -1) : parts;
  return { text: said, parts: [...before, { type: "text", text: isText(last) ? last.text + chunk : chunk }] };
}

const isText = (part: unknown): part is { type: "text"; text: string } =>
  typeof part === "object" && part !== null && "type" in part && part.type === "text";
