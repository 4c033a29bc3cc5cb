import { useEffect, useRef, useState } from "react";
import { ending } from "../lib/explain";
import type { MessageView } from "../lib/views";

/** As much of a reply as is read out by itself (characters); the rest is in the log. */
const SPOKEN = 600;

/** Tells a screen reader once when a reply begins, and once what it says; never chunk by chunk. */
export function Announcer({ messages, running }: { messages: MessageView[]; running: MessageView | undefined }) {
  const [said, say] = useState("");
  const before = useRef<string | null>(null);
  const now = running?.messageId ?? null;

  useEffect(() => {
    if (before.current === now) return;
    const ended = messages.find(({ messageId, completed }) => completed && messageId === before.current);
    if (ended) say([ended.content.slice(0, SPOKEN), ending(ended)?.text].filter(Boolean).join(" "));
    else if (now !== null) say("The assistant is writing.");
    before.current = now;
  }, [messages, now]);

  return (
    <p className="spoken" aria-live="polite">
      {said}
    </p>
  );
}
