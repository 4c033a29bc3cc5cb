import { useQuery } from "convex/react";
import { useEffect, useState } from "react";
import { api } from "../lib/api";
import type { SessionHit } from "../lib/views";

/** As long as somebody is typing a word no letter of it is asked for (ms). */
const PAUSE_MS = 120;
/** What the server takes (characters). */
export const LONGEST_QUERY = 200;

/** What a search has found. `hits` are of the last query that was answered, so that a list does not blink while one types. */
export interface Found {
  /** `undefined` until the first answer. */
  hits: SessionHit[] | undefined;
  /** Whether `hits` are of what was typed last. */
  settled: boolean;
}

/** The person's sessions that have these words, live: a message that comes later is in the list without a key pressed. */
export function useSearch(query: string): Found {
  const words = query.trim();
  const [asked, setAsked] = useState(words);
  const [last, setLast] = useState<SessionHit[] | undefined>(undefined);

  useEffect(() => {
    const timer = setTimeout(() => setAsked(words), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [words]);

  const hits = useQuery(api.chat.search, asked === "" ? "skip" : { query: asked });
  if (hits !== undefined && hits !== last) setLast(hits);
  return { hits: hits ?? last, settled: hits !== undefined && asked === words };
}
