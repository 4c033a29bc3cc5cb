import { useQuery } from "convex/react";
import { useState } from "react";
import { api } from "../lib/api";
import type { ChunkView } from "../lib/views";

/** As many chunks as one answer may hold. */
const PAGE = 64;
/** The window of chunks that every update sends again stays below this many chunks and about this many characters. */
const WINDOW_CHUNKS = 8;
const WINDOW_CHARS = 600;

interface Followed {
  messageId: string | undefined;
  /** The query asks for the chunks after this sequence number. */
  after: number;
  /** The last sequence number that is in `text`. */
  last: number;
  text: string;
}

/**
 * The text of a reply while it is being written; `""` without a `messageId`.
 *
 * Each update of `chat:subscribeToChunks` holds all chunks after its cursor. The cursor moves on when the window has filled,
 * so a reply of n characters costs O(n) bytes, and few new subscriptions.
 */
export function useReplyText(sessionId: string, messageId: string | undefined): string {
  const [kept, keep] = useState<Followed>(() => nothingOf(messageId));
  const followed = kept.messageId === messageId ? kept : nothingOf(messageId);
  const chunks = useQuery(
    api.chat.subscribeToChunks,
    messageId === undefined ? "skip" : { sessionId, messageId, after: followed.after, limit: PAGE },
  );
  const next = chunks ? take(followed, chunks) : followed;
  if (next !== kept) keep(next); // during render: no frame shows the text without the chunks that are there
  return next.text;
}

function nothingOf(messageId: string | undefined): Followed {
  return { messageId, after: -1, last: -1, text: "" };
}

/** The same object when there is nothing new: what React compares. */
function take(followed: Followed, chunks: ChunkView[]): Followed {
  const fresh = chunks.filter(({ sequence }) => sequence > followed.last);
  const last = fresh.at(-1)?.sequence;
  if (last === undefined) return followed;
  const text = followed.text + fresh.map(({ chunk }) => chunk).join("");
  const window = chunks.reduce((sum, { chunk }) => sum + chunk.length, 0);
  const full = chunks.length >= WINDOW_CHUNKS || window >= WINDOW_CHARS;
  return { ...followed, text, last, after: full ? last : followed.after };
}
