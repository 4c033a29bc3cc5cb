import { useConvex } from "convex/react";
import { useState } from "react";
import { api } from "../lib/api";
import type { MessageView } from "../lib/views";

/** A message whose text is too long for one answer: `show` fetches all of it, a part at a time, and it is shown from then on. */
export function useWholeText(message: MessageView): { message: MessageView; show: (() => Promise<void>) | null } {
  const client = useConvex();
  const [text, setText] = useState<string | null>(null);
  if (!message.cut?.includes("content")) return { message, show: null };
  if (text !== null) return { message: { ...message, content: text }, show: null };
  const { sessionId, messageId } = message;
  async function show() {
    let [all, offset]: [string, number | undefined] = ["", 0];
    while (offset !== undefined) {
      const part: Awaited<ReturnType<typeof next>> = await next(offset);
      all += part?.text ?? "";
      offset = part?.next;
    }
    setText(all);
  }
  const next = (offset: number) => client.query(api.chat.getMessagePart, { sessionId, messageId, offset });
  return { message, show };
}
