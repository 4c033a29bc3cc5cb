import { useSyncExternalStore } from "react";

/** The address of a view lives in the hash, so that any server of static files can serve it. */
export type Route =
  | { view: "home" }
  | { view: "new"; worker: string | null }
  | { view: "machines" }
  | { view: "domains" }
  | { view: "tasks" }
  | { view: "schedules"; open: string | null }
  | { view: "session"; sessionId: string; settings: boolean };

export const HOME = "#/";
export const NEW = "#/new";
export const DOMAINS = "#/domains";
export const TASKS = "#/tasks";
export const SCHEDULES = "#/schedules";
export const MACHINES = "#/machines";
/** A new chat that a worker answers. */
export const newOn = (workerId: string) => `${NEW}/${encodeURIComponent(workerId)}`;
/** The form of a schedule: its id, or `new`. */
export const scheduleAt = (open: string) => `${SCHEDULES}/${encodeURIComponent(open)}`;
export const addressOf = (sessionId: string) => `#/s/${encodeURIComponent(sessionId)}`;
export const settingsOf = (sessionId: string) => `${addressOf(sessionId)}/settings`;

function parse(hash: string): Route {
  const found = /^#\/s\/([^/]+)(\/settings)?$/.exec(hash);
  if (found?.[1]) return { view: "session", sessionId: safely(found[1]), settings: found[2] !== undefined };
  const schedule = /^#\/schedules(?:\/([^/]+))?$/.exec(hash);
  if (schedule) return { view: "schedules", open: schedule[1] ? safely(schedule[1]) : null };
  if (hash === DOMAINS) return { view: "domains" };
  if (hash === TASKS) return { view: "tasks" };
  if (hash === MACHINES) return { view: "machines" };
  const begun = /^#\/new(?:\/([^/]+))?$/.exec(hash);
  return begun ? { view: "new", worker: begun[1] ? safely(begun[1]) : null } : { view: "home" };
}

function safely(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a stray % in an address somebody typed: no session has such an id, and the page says so
  }
}

function follow(listener: () => void): () => void {
  addEventListener("hashchange", listener);
  return () => removeEventListener("hashchange", listener);
}

export function useRoute(): Route {
  return parse(useSyncExternalStore(follow, () => location.hash));
}

export function go(address: string): void {
  location.hash = address;
}
