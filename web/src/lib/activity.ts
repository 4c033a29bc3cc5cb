import { store } from "./store";

/** What goes on in the sessions that are open in this tab, for the list: a reply is being written, or one was not seen yet. */
export type Activity = "writing" | "unseen";

export const activity = store<ReadonlyMap<string, Activity>>(new Map());

export function mark(sessionId: string, now: Activity | null): void {
  if ((activity.get().get(sessionId) ?? null) === now) return;
  const next = new Map(activity.get());
  if (now === null) next.delete(sessionId);
  else next.set(sessionId, now);
  activity.set(next);
}
