import { memo } from "react";
import type { AssistantChat } from "../hooks/useAssistantChat";
import { isGuess } from "../hooks/useSend";
import type { MessageView } from "../lib/views";
import { Reply } from "./Reply";

interface Props {
  message: MessageView;
  writing: boolean;
  onRetry: AssistantChat["retry"] | null;
}

/** One entry of the log. */
export const Message = memo(function Message({ message, writing, onRetry }: Props) {
  if (message.role === "assistant") return <Reply message={message} writing={writing} onRetry={onRetry} />;
  if (message.role === "user") {
    return (
      <li className="user" data-anchor data-pending={isGuess(message) || undefined}>
        <h3 className="spoken">You</h3>
        <div className="bubble" dir="auto">
          {message.content}
        </div>
        {isGuess(message) && <span className="spoken">Sending</span>}
      </li>
    );
  }
  return (
    <li className="aside" data-anchor>
      <details>
        <summary>{message.role === "tool" ? "Tool" : "Note"}</summary>
        <pre>{message.content}</pre>
      </details>
    </li>
  );
});
