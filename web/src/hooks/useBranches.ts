import { useMutation } from "convex/react";
import { useMemo } from "react";
import { api } from "../lib/api";
import { explain } from "../lib/explain";
import { setProblem } from "../lib/problems";
import { addressOf, go } from "../lib/route";

/** What can be made of the past of a conversation. A new conversation is gone to; a refusal is shown at the box. */
export interface Branches {
  /** Have the newest reply written again; the old one stays in the log, folded. */
  regenerate: (messageId: string) => Promise<void>;
  /** A new conversation with the past up to this message. */
  fork: (messageId: string) => Promise<void>;
  /** Say something else instead of this message, in a new conversation with the past before it. */
  edit: (messageId: string, content: string) => Promise<void>;
}

export function useBranches(sessionId: string, imageId: string | undefined): Branches | null {
  const regenerate = useMutation(api.images.regenerate);
  const fork = useMutation(api.images.fork);
  const edit = useMutation(api.images.edit);
  return useMemo(() => {
    if (imageId === undefined) return null;
    async function attempt(work: () => Promise<unknown>, failed: string) {
      setProblem(sessionId, null);
      try {
        await work();
      } catch (problem) {
        setProblem(sessionId, `${failed}: ${explain(problem)}`);
      }
    }
    return {
      regenerate: (messageId) => attempt(() => regenerate({ imageId, messageId }), "The reply was not begun again"),
      fork: (messageId) =>
        attempt(
          async () => go(addressOf((await fork({ imageId, messageId })).record.sessionId)),
          "The conversation was not forked",
        ),
      edit: (messageId, content) =>
        attempt(
          async () => go(addressOf((await edit({ imageId, messageId, content })).sessionId)),
          "The message was not changed",
        ),
    };
  }, [sessionId, imageId, regenerate, fork, edit]);
}
