import { useState } from "react";
import { useSessionActions } from "../hooks/useAssistantSessions";
import { useSend } from "../hooks/useSend";
import { giveBack } from "../lib/drafts";
import { explain } from "../lib/explain";
import { setProblem } from "../lib/problems";
import { addressOf, go } from "../lib/route";
import { Composer } from "./Composer";
import { PaneHeader } from "./PaneHeader";

/** The draft and the problem of a session that does not exist yet are kept under this name. */
const UNBORN = "new";

/** A session begins with its first message. */
export function NewChat() {
  const { start } = useSessionActions();
  const { send } = useSend();
  const [starting, setStarting] = useState(false);

  async function begin(content: string) {
    setStarting(true);
    setProblem(UNBORN, null);
    try {
      const sessionId = await start();
      void send(sessionId, content);
      go(addressOf(sessionId));
    } catch (problem) {
      giveBack(UNBORN, content);
      setProblem(UNBORN, `No session was started: ${explain(problem)}`);
    }
    setStarting(false);
  }

  return (
    <main className="pane new-chat">
      <PaneHeader title="New session" />
      <div className="welcome">
        <h2>What would you like to know?</h2>
        <p className="hint">Write a message to begin. Enter sends it, Shift+Enter breaks the line.</p>
      </div>
      <Composer sessionId={UNBORN} onSend={begin} disabled={starting} focus />
    </main>
  );
}
