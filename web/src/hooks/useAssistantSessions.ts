import { useMutation, usePaginatedQuery } from "convex/react";
import type { FunctionArgs } from "convex/server";
import { useCallback, useMemo } from "react";
import { api } from "../lib/api";
import type { SessionView } from "../lib/views";

const PAGE = 40;

/** What a session is begun with: the arguments of `chat:startSession`. */
export type StartOptions = FunctionArgs<typeof api.chat.startSession>;

/** A person's sessions, live. The ways to change one reject with the server's refusal. */
export interface AssistantSessions {
  /** The latest activity first, among those loaded; `undefined` while the first ones load. */
  sessions: SessionView[] | undefined;
  /** Whether older sessions can be loaded. */
  more: boolean;
  loadMore: () => void;
  /** Open a session; resolves to its id. */
  start: (options?: StartOptions) => Promise<string>;
  /** Make an idle session active again. */
  resume: (sessionId: string) => Promise<void>;
  /** End a session for good; its messages stay readable. */
  end: (sessionId: string) => Promise<void>;
}

export function useAssistantSessions(): AssistantSessions {
  const { results, status, loadMore } = usePaginatedQuery(api.chat.listSessionsPage, {}, { initialNumItems: PAGE });
  const sessions = useMemo(() => [...results].sort((one, other) => other.lastActivity - one.lastActivity), [results]);
  return {
    sessions: status === "LoadingFirstPage" ? undefined : sessions,
    more: status === "CanLoadMore",
    loadMore: useCallback(() => loadMore(PAGE), [loadMore]),
    ...useSessionActions(),
  };
}

/** The three ways to change a session, without following the list. */
export function useSessionActions(): Pick<AssistantSessions, "start" | "resume" | "end"> {
  const startSession = useMutation(api.chat.startSession);
  const resumeSession = useMutation(api.chat.resumeSession);
  const endSession = useMutation(api.chat.endSession);
  return useMemo(
    () => ({
      start: (options = {}) => startSession(options),
      resume: async (sessionId) => void (await resumeSession({ sessionId })),
      end: async (sessionId) => void (await endSession({ sessionId })),
    }),
    [startSession, resumeSession, endSession],
  );
}
