import { GitBranch, RefreshCw, RotateCcw, TriangleAlert } from "lucide-react";
import type { AssistantChat } from "../hooks/useAssistantChat";
import { useAttempt } from "../hooks/useAttempt";
import type { Branches } from "../hooks/useBranches";
import { isGuess } from "../hooks/useSend";
import { useWholeText } from "../hooks/useWholeText";
import { ending } from "../lib/explain";
import type { MessageView } from "../lib/views";
import { CopyButton } from "./CopyButton";
import { Parts } from "./Parts";
import { When } from "./When";

interface Props {
  message: MessageView;
  writing: boolean;
  onRetry: AssistantChat["retry"] | null;
  branches: Branches | null;
  newest: boolean;
}

/** What the assistant said, and how it ended. The foot has its height from the start, so nothing moves when the reply ends. */
export function Reply({ message: told, writing, onRetry, branches, newest }: Props) {
  const { message, show } = useWholeText(told);
  const { problem, attempt } = useAttempt();
  const end = message.completed ? ending(message) : null;
  return (
    <li className="reply" data-anchor aria-busy={!message.completed}>
      <h2 className="spoken">Assistant</h2>
      <Parts message={message} writing={writing} />
      {show && (
        <p className="hint">
          This is the beginning of a long reply.{" "}
          <button type="button" className="small" onClick={() => void attempt(show)}>
            Show all of it
          </button>{" "}
          {problem}
        </p>
      )}
      {end && (
        <p className="ending" data-failed={end.failed || undefined}>
          {end.failed && <TriangleAlert aria-hidden="true" size={16} />}
          {end.text}
        </p>
      )}
      <div className="foot">
        {message.completed ? (
          <>
            <When at={message.timestamp} />
            {message.content && <CopyButton text={message.content} label="Copy reply" />}
            {branches && newest && (
              <button type="button" className="small" onClick={() => void branches.regenerate(message.messageId)}>
                <RefreshCw aria-hidden="true" size={14} /> Regenerate
              </button>
            )}
            {branches && (
              <button type="button" className="small" onClick={() => void branches.fork(message.messageId)}>
                <GitBranch aria-hidden="true" size={14} /> Fork
              </button>
            )}
            {onRetry && end && (
              <button type="button" className="small" onClick={() => onRetry(message)}>
                <RotateCcw aria-hidden="true" size={14} /> {end.failed ? "Try again" : "Ask again"}
              </button>
            )}
          </>
        ) : (
          <Progress waits={!writing && !isGuess(message)} begun={message.content !== ""} />
        )}
      </div>
    </li>
  );
}

function Progress({ waits, begun }: { waits: boolean; begun: boolean }) {
  return (
    <span className="progress">
      <span className="dots" aria-hidden="true">
        <i />
        <i />
        <i />
      </span>
      {waits ? "Waits for the reply before it" : begun ? "Writing" : "Thinking"}
    </span>
  );
}
