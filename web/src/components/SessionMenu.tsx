import { Play, Settings2 } from "lucide-react";
import { useSessionActions } from "../hooks/useAssistantSessions";
import { explain } from "../lib/explain";
import { setProblem } from "../lib/problems";
import { settingsOf } from "../lib/route";
import type { SessionView } from "../lib/views";
import { Confirm } from "./Confirm";

/** A session's settings; resume an idle one; end it for good, after asking. */
export function SessionMenu({ session: { sessionId, status, ready, worker } }: { session: SessionView }) {
  const { resume, end } = useSessionActions();

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
      {worker ? <span className="badge machine">{worker.machineName ?? worker.name}</span> : !ready && <span className="badge">Waits for its worker</span>}
      {status === "idle" && (
        <button type="button" onClick={() => attempt(resume, "The session was not resumed")}>
          <Play aria-hidden="true" size={15} /> Resume
        </button>
      )}
      {settings}
      <Confirm
        question="End this session?"
        consequence="It cannot be resumed. Its messages stay readable."
        verb="End session"
        onConfirm={() => attempt(end, "The session was not ended")}
      >
        End<span className="spoken"> session</span>
      </Confirm>
    </>
  );
}
