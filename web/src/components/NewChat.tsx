import { useQuery } from "convex/react";
import { Laptop } from "lucide-react";
import { useState } from "react";
import { useSessionActions } from "../hooks/useAssistantSessions";
import { useSend } from "../hooks/useSend";
import { giveBack } from "../lib/drafts";
import { explain } from "../lib/explain";
import { setProblem } from "../lib/problems";
import { api } from "../lib/api";
import { addressOf, go, newOn } from "../lib/route";
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
        <OnMachines />
      </div>
      <Composer sessionId={UNBORN} onSend={begin} disabled={starting} focus />
    </main>
  );
}

/** The machines that can answer instead. */
function OnMachines() {
  const machines = useQuery(api.machines.list, {});
  const workers = (machines ?? []).flatMap(({ name, workers }) => workers.map((worker) => ({ machine: name, ...worker })));
  const approved = workers.filter(({ approval }) => approval === "approved");
  if (approved.length === 0) return null;
  return (
    <p className="hint">
      Or have a machine answer:{" "}
      {approved.map(({ workerId, machine, name, status }) => (
        <a key={workerId} className="button" href={newOn(workerId)}>
          <Laptop aria-hidden="true" size={15} /> {machine} · {name}
          {status === "offline" && " (offline)"}
        </a>
      ))}
    </p>
  );
}
