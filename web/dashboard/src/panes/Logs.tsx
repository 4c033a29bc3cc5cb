import { useState } from "react";
import type { PaneProps } from "../App";
import { usePolled } from "../calls";
import { Heads } from "../Heads";
import { clock, ms } from "../words";

export interface Call {
  number: number;
  at: number;
  ms: number;
  request: string;
  path: string;
  kind: string;
  org: string;
  caller: string;
  runs: number;
  reads: number;
  writes: number;
  readUnits: number;
  writeUnits: number;
  lines: string[];
  error: string;
  traceback: string;
}

/** One row a call; a Request ID that a client has seen finds its call. */
export function Logs({ rest }: PaneProps) {
  const [filter, setFilter] = useState(rest);
  const [paused, setPaused] = useState(false);
  const [only, setOnly] = useState("all");
  const id = /[0-9a-f]{16}/.exec(filter)?.[0];
  const args = id ? { request: id } : { path: filter.trim(), limit: 200 };
  const { value, problem } = usePolled<Call[]>("logs:recent", args, paused ? 0 : 1_000);
  const calls = (value ?? []).filter((call) => (only === "errors" ? call.error : id || !call.path.startsWith("_system/")));
  return (
    <>
      <h1>Logs</h1>
      <form className="bar" onSubmit={(event) => event.preventDefault()}>
        <label>
          Function or Request ID
          <input value={filter} onChange={(event) => setFilter(event.target.value)} placeholder="notes:add" spellCheck={false} />
        </label>
        <label>
          Show
          <select value={only} onChange={(event) => setOnly(event.target.value)}>
            <option value="all">all calls</option>
            <option value="errors">errors</option>
          </select>
        </label>
        <button type="button" onClick={() => setPaused(!paused)} aria-pressed={paused}>
          {paused ? "Go on" : "Pause"}
        </button>
      </form>
      {problem && <p role="alert">{problem}</p>}
      {value && calls.length === 0 && <p className="soft">No call yet. Call a function, and it is here.</p>}
      <div className="scroll" tabIndex={0} role="region" aria-label="Calls">
        <table>
          <Heads names={["Time", "Function", "#Took", "#Runs", "#Reads", "#Writes", "Org", "Caller", "Request ID"]} />
          <tbody>
            {calls.map((call) => (
              <Row key={`${call.number} ${id ?? ""}`} call={call} open={Boolean(id)} />
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

function Row({ call, open }: { call: Call; open: boolean }) {
  const [shown, setShown] = useState(open);
  const more = call.lines.length > 0 || call.error;
  return (
    <>
      <tr className={call.error ? "bad" : undefined}>
        <td>{clock(call.at)}</td>
        <td>
          {more ? (
            <button type="button" className="link" aria-expanded={shown} onClick={() => setShown(!shown)}>
              {call.path}
            </button>
          ) : (
            call.path
          )}{" "}
          <span className="soft">{call.kind}</span>
        </td>
        <td className="number">{ms(call.ms)}</td>
        <td className="number">{call.runs}</td>
        <td className="number">{call.reads}</td>
        <td className="number">{call.writes}</td>
        <td>{call.org}</td>
        <td>{call.caller || "nobody"}</td>
        <td>
          <code>{call.request}</code>
        </td>
      </tr>
      {shown && more && (
        <tr className="inner">
          <td colSpan={9}>
            <pre>{[...call.lines, call.error, call.traceback].filter(Boolean).join("\n")}</pre>
          </td>
        </tr>
      )}
    </>
  );
}
