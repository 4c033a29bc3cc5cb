import { useSyncExternalStore } from "react";
import { load, save } from "./store";

/** What is being written but not sent, by session id (`new` before there is a session). It survives a reload. */
const PREFIX = "concave.draft.";
const listeners = new Set<() => void>();

export function draftOf(sessionId: string): string {
  return load<string>(PREFIX + sessionId) ?? "";
}

export function setDraft(sessionId: string, text: string): void {
  save(PREFIX + sessionId, text === "" ? null : text);
  for (const listener of listeners) listener();
}

/** Give back a message that was not accepted; what has been written since stays, below it. */
export function giveBack(sessionId: string, text: string): void {
  const since = draftOf(sessionId);
  if (!since.startsWith(text)) setDraft(sessionId, since ? `${text}\n\n${since}` : text);
}

function follow(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function useDraft(sessionId: string): string {
  return useSyncExternalStore(follow, () => draftOf(sessionId));
}
