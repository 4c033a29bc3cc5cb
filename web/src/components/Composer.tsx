import { ArrowUp, Square, X, Zap } from "lucide-react";
import { type FormEvent, type KeyboardEvent, useEffect, useLayoutEffect, useRef } from "react";
import { useConnection } from "../hooks/useConnection";
import { composes } from "../lib/composition";
import { setDraft, useDraft } from "../lib/drafts";
import type { OnBusy } from "../lib/outbox";
import { setProblem, useProblem } from "../lib/problems";
import { Problem } from "./Problem";

/** The server's limit for one message, in characters as it counts them: an emoji is one. */
const LONGEST = 10_000;
const lengthOf = (text: string) => (text.length > LONGEST ? [...text].length : text.length);

interface Props {
  /** Whose draft and problem these are. */
  sessionId: string;
  onSend: (content: string, onBusy?: OnBusy) => unknown;
  /** Given while a reply is being written. */
  onStop?: (() => unknown) | undefined;
  disabled?: boolean;
  /** Take the focus, where that opens no keyboard on the screen. */
  focus: boolean;
}

/**
 * Where a message is written. Enter sends, Shift+Enter breaks the line; the draft survives a reload. While a reply is being
 * written a message waits its turn, or ends that reply (Ctrl or Cmd+Enter).
 */
export function Composer({ sessionId, onSend, onStop, disabled = false, focus }: Props) {
  const text = useDraft(sessionId);
  const problem = useProblem(sessionId);
  const connection = useConnection();
  const box = useRef<HTMLTextAreaElement>(null);
  const empty = text.trim() === "";
  const length = lengthOf(text.trim());
  const blocked = disabled || empty || length > LONGEST;

  useLayoutEffect(() => {
    const area = box.current;
    if (!area) return;
    area.style.height = "auto";
    area.style.height = `${text === "" ? 0 : area.scrollHeight}px`; // min-height and max-height rule
  }, [text]);

  useEffect(() => {
    if (focus && matchMedia("(pointer: fine)").matches) box.current?.focus({ preventScroll: true });
  }, [focus]);

  function send(event?: FormEvent, onBusy?: OnBusy) {
    event?.preventDefault();
    if (blocked) return;
    setDraft(sessionId, "");
    onSend(text.trim(), onBusy);
    box.current?.focus();
  }

  function onKeyDown(event: KeyboardEvent) {
    if (event.key !== "Enter" || event.shiftKey || composes(event.nativeEvent)) return;
    event.preventDefault();
    send(undefined, onStop && (event.ctrlKey || event.metaKey) ? "interrupt" : undefined);
  }

  return (
    <form className="composer" onSubmit={send}>
      {problem && (
        <Problem>
          {problem}
          <button type="button" className="icon" onClick={() => setProblem(sessionId, null)} aria-label="Dismiss">
            <X aria-hidden="true" size={16} />
          </button>
        </Problem>
      )}
      {length > LONGEST && (
        <Problem>
          A message holds {LONGEST.toLocaleString()} characters; this one has {length.toLocaleString()}.
        </Problem>
      )}
      <div className="box">
        <textarea
          ref={box}
          rows={1}
          value={text}
          placeholder={connection === "live" ? "Message" : "Message (sent when the connection is back)"}
          aria-label="Message"
          aria-keyshortcuts="Enter"
          enterKeyHint="send"
          dir="auto"
          onChange={(event) => setDraft(sessionId, event.target.value)}
          onKeyDown={onKeyDown}
        />
        {onStop && (
          <button type="button" className="round" onClick={onStop} aria-label="Stop the reply" title="Stop (Esc)">
            <Square aria-hidden="true" size={14} fill="currentColor" />
          </button>
        )}
        {onStop && (
          <button
            type="button"
            className="round"
            disabled={blocked}
            onClick={() => send(undefined, "interrupt")}
            aria-label="Interrupt the reply and send"
            title="Interrupt and send (Ctrl+Enter)"
          >
            <Zap aria-hidden="true" size={16} />
          </button>
        )}
        <button
          type="submit"
          className="round primary"
          disabled={blocked}
          aria-label="Send"
          title={onStop ? "Send; it waits for this reply (Enter)" : "Send (Enter)"}
        >
          <ArrowUp aria-hidden="true" size={18} />
        </button>
      </div>
    </form>
  );
}
