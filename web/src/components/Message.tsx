import { memo } from "react";
import type { AssistantChat } from "../hooks/useAssistantChat";
import type { Branches } from "../hooks/useBranches";
import type { MessageView } from "../lib/views";
import { Reply } from "./Reply";
import { Said } from "./Said";

interface Props {
  message: MessageView;
  writing: boolean;
  onRetry: AssistantChat["retry"] | null;
  branches: Branches | null;
  /** It is the newest entry: a reply that can be written again. */
  newest: boolean;
}

/** One entry of the log. */
export const Message = memo(function Message({ message, writing, onRetry, branches, newest }: Props) {
  if (message.superseded) return <Superseded message={message} />;
  if (message.role === "assistant") {
    return <Reply message={message} writing={writing} onRetry={onRetry} branches={branches} newest={newest} />;
  }
  if (message.role === "user") return <Said message={message} branches={branches} />;
  return (
    <li className="aside" data-anchor>
      <details>
        <summary>{message.role === "tool" ? "Tool" : "Note"}</summary>
        <pre>{message.content}</pre>
      </details>
    </li>
  );
});

/** What no longer counts: another reply stands for it, or its turn was rolled back. It can be looked at. */
function Superseded({ message }: { message: MessageView }) {
  const what = message.role === "user" ? "A message that was rolled back" : "An earlier reply";
  return (
    <li className="aside" data-anchor>
      <details>
        <summary>{what}</summary>
        <pre>{message.content || "Nothing was written."}</pre>
      </details>
    </li>
  );
}
