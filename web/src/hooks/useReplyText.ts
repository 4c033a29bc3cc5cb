import { useQuery } from "convex/react";
import { useState } from "react";
import { api } from "../generated/api";
import type { ChunkView } from "../lib/views";

/** As many pieces as one answer may hold. */
const PAGE = 64;
/** The window of pieces that every update sends again stays below this many pieces and about this many characters. */
const WINDOW_PIECES = 8;
const WINDOW_CHARS = 600;

interface Followed {
  messageId: string | undefined;
  /** The query asks for the pieces after this sequence number. */
  after: number;
  /** The last sequence number that is in `text`. */
  last: number;
  text: string;
}

/**
 * The text of a reply while it is being written; `""` without a `messageId`.
 *
 * Each update of `chat:subscribeToChunks` holds all pieces after its cursor. The cursor moves on when the window has filled,
 * so a reply of n characters costs O(n) bytes, and few new subscriptions.
 */
export function useReplyText(sessionId: string, messageId: string | undefined): string {
  const [kept, keep] = useState<Followed>(() => nothingOf(messageId));
  const followed = kept.messageId === messageId ? kept : nothingOf(messageId);
  const pieces = useQuery(
    api.chat.subscribeToChunks,
    messageId === undefined ? "skip" : { sessionId, messageId, after: followed.after, limit: PAGE },
  );
  const next = pieces ? take(followed, pieces) : followed;
  if (next !== kept) keep(next); // during render: no frame shows the text without the pieces that are there
  return next.text;
}

function nothingOf(messageId: string | undefined): Followed {
  return { messageId, after: -1, last: -1, text: "" };
}

/** The same object when there is nothing new: what React compares. */
function take(followed: Followed, pieces: ChunkView[]): Followed {
  const fresh = pieces.filter(({ sequence }) => sequence > followed.last);
  const last = fresh.at(-1)?.sequence;
  if (last === undefined) return followed;
  const text = followed.text + fresh.map(({ chunk }) => chunk).join("");
  const window = pieces.reduce((sum, { chunk }) => sum + chunk.length, 0);
  const full = pieces.length >= WINDOW_PIECES || window >= WINDOW_CHARS;
  return { ...followed, text, last, after: full ? last : followed.after };
}
