import { Play, Settings2 } from "lucide-react";
import { useRef } from "react";
import { useSessionActions } from "../hooks/useAssistantSessions";
import { explain } from "../lib/explain";
import { setProblem } from "../lib/problems";
import { settingsOf } from "../lib/route";
import type { SessionView } from "../lib/views";

/** A session's settings; resume an idle one; end it for good, after asking. */
export function SessionMenu({ session: { sessionId, status, ready } }: { session: SessionView }) {
  const { resume, end } = useSessionActions();
  const dialog = useRef<HTMLDialogElement>(null);

  async function attempt(what: (sessionId: string) => Promise<void>, failed: string) {
    try {
      await what(sessionId);
    } catch (problem) {
      setProblem(sessionId, `${failed}: ${explain(problem)}`);
    }
  }

  const settings = (
    <a className="icon" href={settingsOf(sessionId)} aria-label="Settings of this session" title="Settings">
      <Settings2 aria-hidden="true" size={18} />
    </a>
  );
  if (status === "terminated") {
    return (
      <>
        <span className="badge">Ended</span>
        {settings}
      </>
    );
  }
  return (
    <>
      {!ready && <span className="badge">Waits for its worker</span>}
      {status === "idle" && (
        <button type="button" onClick={() => attempt(resume, "The session was not resumed")}>
          <Play aria-hidden="true" size={15} /> Resume
        </button>
      )}
      {settings}
      <button type="button" className="quiet" onClick={() => dialog.current?.showModal()}>
        End<span className="spoken"> session</span>
      </button>
      <dialog ref={dialog} aria-labelledby={`end-${sessionId}`}>
        <form method="dialog">
          <h2 id={`end-${sessionId}`}>End this session?</h2>
          <p>It cannot be resumed. Its messages stay readable.</p>
          <menu>
            <button type="submit">Keep it</button>
            <button type="submit" className="danger" onClick={() => attempt(end, "The session was not ended")}>
              End session
            </button>
          </menu>
        </form>
      </dialog>
    </>
  );
}
