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
  /** The text in pieces, with what came between them; none while there is only text. */
  parts: readonly unknown[] | undefined;
}

/** What has arrived of a reply that is being written. */
export type Arrived = Pick<Followed, "text" | "parts">;

/**
 * A reply while it is being written: its text, and what a tool or a thought put between; nothing without a `messageId`.
 *
 * Each update of `chat:subscribeToChunks` holds all chunks after its cursor. The cursor moves on when the window has filled,
 * so a reply of n characters costs O(n) bytes, and few new subscriptions.
 */
export function useReplyText(sessionId: string, messageId: string | undefined): Arrived {
  const [kept, keep] = useState<Followed>(() => nothingOf(messageId));
  const followed = kept.messageId === messageId ? kept : nothingOf(messageId);
  const chunks = useQuery(
    api.chat.subscribeToChunks,
    messageId === undefined ? "skip" : { sessionId, messageId, after: followed.after, limit: PAGE },
  );
  const next = chunks ? take(followed, chunks) : followed;
  if (next !== kept) keep(next); // during render: no frame shows the text without the chunks that are there
  return next;
}

function nothingOf(messageId: string | undefined): Followed {
  return { messageId, after: -1, last: -1, text: "", parts: undefined };
}

/** The same object when there is nothing new: what React compares. */
function take(followed: Followed, chunks: ChunkView[]): Followed {
  const fresh = chunks.filter(({ sequence }) => sequence > followed.last);
  const last = fresh.at(-1)?.sequence;
  if (last === undefined) return followed;
  const text = followed.text + fresh.map(({ chunk }) => chunk).join("");
  const window = chunks.reduce((sum, { chunk }) => sum + chunk.length, 0);
  const full = chunks.length >= WINDOW_CHUNKS || window >= WINDOW_CHARS;
  const parts = fresh.reduce(joined, followed.parts);
  return { ...followed, text, parts, last, after: full ? last : followed.after };

  function joined(before: Followed["parts"], { chunk, part }: ChunkView): Followed["parts"] {
    if (part !== undefined) return [...(before ?? textSoFar()), part];
    if (before === undefined || chunk === "") return before;
    const last = before.at(-1);
    return isText(last)
      ? [...before.slice(0, -1), { type: "text", text: last.text + chunk }]
      : [...before, { type: "text", text: chunk }];
  }

  function textSoFar(): readonly unknown[] {
    const first = fresh.findIndex(({ part }) => part !== undefined);
    const said = followed.text + fresh.slice(0, first).map(({ chunk }) => chunk).join("");
    return said ? [{ type: "text", text: said }] : [];
  }
}

const isText = (part: unknown): part is { type: "text"; text: string } =>
  typeof part === "object" && part !== null && "type" in part && part.type === "text";
