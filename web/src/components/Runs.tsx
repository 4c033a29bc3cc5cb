import { useState } from "react";
import { cause } from "../lib/explain";
import { addressOf } from "../lib/route";
import type { AgentRunView } from "../lib/views";
import { When } from "./When";

const STATE = {
  pending: "Waits",
  running: "Runs",
  completed: "Completed",
  failed: "Failed",
  aborted: "Stopped",
  interrupted: "Interrupted",
} as const;
const FIRST = 5;

/** Agent runs, newest first, each with a way to its conversation. The first few, until the others are asked for. */
export function Runs({ runs, name }: { runs: readonly AgentRunView[]; name: (run: AgentRunView) => string }) {
  const [all, setAll] = useState(false);
  if (runs.length === 0) return null;
  return (
    <>
      <ol className="runs" aria-label="Agent runs">
        {(all ? runs : runs.slice(0, FIRST)).map((run) => (
          <Run key={run.agentRunId} run={run} name={name(run)} />
        ))}
      </ol>
      {!all && runs.length > FIRST && (
        <button type="button" className="link" onClick={() => setAll(true)}>
          Show {runs.length - FIRST} older {runs.length === FIRST + 1 ? "run" : "runs"}
        </button>
      )}
    </>
  );
}

function Run({ run, name }: { run: AgentRunView; name: string }) {
  const why = cause(run.reason);
  return (
    <li data-state={run.state}>
      {run.sessionId ? <a href={addressOf(run.sessionId)}>{name}</a> : name}
      <span className="state">{STATE[run.state]}</span>
      <span className="about">
        <When at={run.createdAt} />
      </span>
      {why && <span className="hint">{why}</span>}
    </li>
  );
}
