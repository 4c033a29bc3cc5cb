import type { OptimisticLocalStore } from "convex/browser";
import { insertAtTop, useMutation } from "convex/react";
import { useCallback, useMemo } from "react";
import { api } from "../lib/api";
import { giveBack } from "../lib/drafts";
import { explain } from "../lib/explain";
import { delivered, type OnBusy, type Parcel, post } from "../lib/outbox";
import { setProblem } from "../lib/problems";
import type { MessageView } from "../lib/views";

const GUESSED = "optimistic-";
const underway = new Set<string>();

/** Whether this message is shown ahead of the server's answer. */
export const isGuess = ({ messageId }: MessageView) => messageId.startsWith(GUESSED);

/** Show the message and the reply's place at once, as the server will store them. */
function guess(
  local: OptimisticLocalStore,
  { sessionId, content, clientKey = "" }: { sessionId: string; content: string; clientKey?: string },
) {
  const shown = local.getAllQueries(api.chat.listMessages).filter(({ args }) => args.sessionId === sessionId);
  const top = Math.max(0, ...shown.flatMap(({ value }) => value?.page.map(({ sequence }) => sequence) ?? []));
  const common = { sessionId, timestamp: Date.now() };
  const said: MessageView = {
    ...common,
    messageId: `${GUESSED}${clientKey}`,
    role: "user",
    content,
    completed: true,
    status: "completed",
    sequence: top + 1,
  };
  const place: MessageView = {
    ...said,
    messageId: `${GUESSED}${clientKey}-reply`,
    role: "assistant",
    content: "",
    completed: false,
    status: "pending",
    sequence: top + 2,
  };
  for (const item of [said, place]) {
    insertAtTop({ paginatedQuery: api.chat.listMessages, argsToMatch: { sessionId }, localQueryStore: local, item });
  }
}

/** Ways to send: `send` for a new message, `deliver` for one that waits in the outbox. Neither throws. */
export function useSend(): {
  send: (sessionId: string, content: string, onBusy?: OnBusy) => Promise<void>;
  deliver: (parcel: Parcel) => Promise<void>;
} {
  const mutate = useMutation(api.chat.sendMessage);
  const sendMessage = useMemo(() => mutate.withOptimisticUpdate(guess), [mutate]);
  const deliver = useCallback(
    async (parcel: Parcel) => {
      if (underway.has(parcel.clientKey)) return; // its answer is awaited already
      underway.add(parcel.clientKey);
      try {
        await sendMessage({ ...parcel });
      } catch (problem) {
        giveBack(parcel.sessionId, parcel.content);
        setProblem(parcel.sessionId, `Not sent: ${explain(problem)} Your message is back in the box.`);
      }
      delivered(parcel);
      underway.delete(parcel.clientKey);
    },
    [sendMessage],
  );
  const send = useCallback(
    (sessionId: string, content: string, onBusy?: OnBusy) => {
      setProblem(sessionId, null);
      return deliver(post(sessionId, content, onBusy));
    },
    [deliver],
  );
  return useMemo(() => ({ send, deliver }), [send, deliver]);
}
