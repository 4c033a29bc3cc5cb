import { useMutation, usePaginatedQuery, useQuery } from "convex/react";
import { useCallback, useMemo } from "react";
import { api } from "../lib/api";
import { explain } from "../lib/explain";
import type { Arrived } from "../lib/following";
import type { OnBusy } from "../lib/outbox";
import { setProblem } from "../lib/problems";
import type { MessageView, SessionView } from "../lib/views";
import { useReplyText } from "./useReplyText";
import { isGuess, useSend } from "./useSend";

const PAGE = 20;

/** One conversation, live. */
export interface AssistantChat {
  /** `undefined` while loading; `null`: there is no such session for this person. */
  session: SessionView | null | undefined;
  /** Oldest first, as far as loaded. A reply that is being written has in `content` what has arrived of it. */
  messages: MessageView[];
  /** The reply that is being written now, if any. */
  running: MessageView | undefined;
  history: "loading" | "more" | "all";
  /** Load an older page; does nothing while one is loading. */
  loadOlder: () => void;
  /** Send; the message is shown at once, and taken back with an explanation when the server refuses it. */
  send: (content: string, onBusy?: OnBusy) => Promise<void>;
  /** Stop the reply that is being written; what it said stays. */
  stop: () => Promise<void>;
  /** Ask once more what this reply was to answer. */
  retry: (reply: MessageView) => Promise<void>;
}

const written = (message: MessageView, { text, parts }: Arrived): MessageView => ({
  ...message,
  content: text,
  ...(parts && { parts: [...parts] }),
});

/**
 * Follow a session and take part in it.
 *
 * @param sessionId the session; its messages, and the reply that is being written, stay live while the component is shown.
 */
export function useAssistantChat(sessionId: string): AssistantChat {
  const session = useQuery(api.chat.getSession, { sessionId });
  const { results, status, loadMore } = usePaginatedQuery(
    api.chat.listMessages,
    { sessionId },
    { initialNumItems: PAGE },
  );
  const stored = useMemo(() => [...results].reverse(), [results]);
  // Replies are written one at a time, in order: the first open one is the one that runs.
  const running = stored.find((each) => each.role === "assistant" && !each.completed && !isGuess(each));
  const arrived = useReplyText(sessionId, running?.messageId);
  const messages = useMemo(
    () => (running ? stored.map((each) => (each === running ? written(each, arrived) : each)) : stored),
    [stored, running, arrived],
  );

  const { send } = useSend();
  const stopReply = useMutation(api.chat.stop);
  const runningId = running?.messageId;
  const stop = useCallback(async () => {
    if (runningId === undefined) return;
    try {
      await stopReply({ sessionId, messageId: runningId });
    } catch (problem) {
      setProblem(sessionId, `The reply was not stopped: ${explain(problem)}`);
    }
  }, [stopReply, sessionId, runningId]);

  const retry = useCallback(
    async (reply: MessageView) => {
      const asked = stored.findLast((each) => each.role === "user" && each.sequence < reply.sequence);
      if (asked) await send(sessionId, asked.content);
    },
    [send, sessionId, stored],
  );

  return {
    session,
    messages,
    running,
    history: status === "CanLoadMore" ? "more" : status === "Exhausted" ? "all" : "loading",
    loadOlder: useCallback(() => loadMore(PAGE), [loadMore]),
    send: useCallback((content: string, onBusy?: OnBusy) => send(sessionId, content, onBusy), [send, sessionId]),
    stop,
    retry,
  };
}
