import { store, useStore } from "./store";

/** What went wrong last with a session's own doings, in words; shown above its composer until dismissed or overtaken. */
const problems = store<ReadonlyMap<string, string>>(new Map());

export function setProblem(sessionId: string, text: string | null): void {
  const next = new Map(problems.get());
  if (text === null) next.delete(sessionId);
  else next.set(sessionId, text);
  problems.set(next);
}

export function useProblem(sessionId: string): string | null {
  return useStore(problems).get(sessionId) ?? null;
}
