import { ArrowDown } from "lucide-react";
import { useEffect, useRef } from "react";
import { useAnchoredScroll } from "../hooks/useAnchoredScroll";
import type { AssistantChat } from "../hooks/useAssistantChat";
import type { Branches } from "../hooks/useBranches";
import { isGuess } from "../hooks/useSend";
import type { MessageView } from "../lib/views";
import { Message } from "./Message";

interface Props {
  messages: MessageView[];
  running: MessageView | undefined;
  history: AssistantChat["history"];
  onOlder: () => void;
  onRetry: AssistantChat["retry"] | null;
  branches: Branches | null;
}

/** The log, oldest first. Older pages come by themselves as the reader nears the top. */
export function MessageList({ messages, running, history, onOlder, onRetry, branches }: Props) {
  const scroller = useRef<HTMLElement>(null);
  const top = useRef<HTMLButtonElement>(null);
  const { atEnd, toEnd } = useAnchoredScroll(scroller);

  // What was just sent from here is to be seen, wherever one was reading.
  const sent = messages.findLast((each) => each.role === "user" && isGuess(each))?.messageId;
  useEffect(() => {
    if (sent !== undefined) toEnd();
  }, [sent, toEnd]);

  useEffect(() => {
    const button = top.current;
    if (!button || history !== "more") return;
    const near = new IntersectionObserver(([entry]) => entry?.isIntersecting && onOlder(), {
      root: scroller.current,
      rootMargin: "600px 0px 0px",
    });
    near.observe(button);
    return () => near.disconnect();
  }, [history, onOlder]);

  return (
    <div className="log">
      {/* what scrolls must be reachable by keyboard */}
      <section className="scroller" ref={scroller} tabIndex={0} aria-label="Messages">
        <div className="column">
          <div className="older">
            {history !== "all" && (
              <button type="button" className="link" ref={top} onClick={onOlder}>
                {history === "more" ? "Load older messages" : "Loading…"}
              </button>
            )}
          </div>
          {history === "all" && messages.length === 0 && <p className="hint">Write a message to begin.</p>}
          <ol>
            {messages.map((message) => (
              <Message
                key={message.sequence}
                message={message}
                writing={message.messageId === running?.messageId}
                onRetry={onRetry}
                branches={branches}
                newest={message === messages.at(-1)}
              />
            ))}
          </ol>
        </div>
      </section>
      {!atEnd && (
        <button type="button" className="icon to-end" onClick={toEnd} aria-label="To the latest message">
          <ArrowDown aria-hidden="true" size={18} />
        </button>
      )}
    </div>
  );
}
