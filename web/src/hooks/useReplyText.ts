import { useQuery } from "convex/react";
import { useState } from "react";
import { api } from "../lib/api";
import { type Arrived, begin, take } from "../lib/following";

/**
 * A reply while it is being written: its text, and what a tool or a thought put between; nothing without a `messageId`.
 *
 * Each update of `chat:followReply` tells the newest chunk, which is added to what is here; what was missed is asked for once
 * (`lib/following.ts`). So a reply of n characters costs O(n) bytes, and as a rule one subscription.
 */
export function useReplyText(sessionId: string, messageId: string | undefined): Arrived {
  const [kept, keep] = useState(() => begin(messageId));
  const followed = kept.messageId === messageId ? kept : begin(messageId);
  const reply = messageId === undefined ? undefined : { sessionId, messageId };
  const newest = useQuery(api.chat.followReply, reply ? { ...reply, limit: followed.width } : "skip");
  const asked = reply && newest && followed.missing && { ...reply, after: followed.last, limit: followed.missing };
  const page = useQuery(api.chat.followReply, asked || "skip");
  const next = take(followed, newest, page);
  if (next !== kept) keep(next); // during render: no frame shows the text without the chunks that are there
  return next;
}
