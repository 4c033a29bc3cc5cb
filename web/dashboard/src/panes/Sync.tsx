import type { PaneProps } from "../App";
import { usePolled } from "../calls";
import { bytes, count } from "../words";

export interface Live {
  path: string;
  args: string;
  org: string;
  shared: boolean;
  bytes: number;
  commit: number;
  watches: number;
  why: string[];
}

interface Socket {
  id: string;
  kind: string;
  user: string;
  org: string;
  operator: string;
  watching: number;
  queries: Live[];
}

/** Who is connected, what each watches, and why a query was run again. */
export function Sync(_: PaneProps) {
  const { value, problem } = usePolled<Socket[]>("sync:sockets", {}, 2_000);
  return (
    <>
      <h1>Sync</h1>
      <p className="soft">Open sockets of this process, the queries that each subscribes to, and what was written when a query was run again.</p>
      {problem && <p role="alert">{problem}</p>}
      {value?.length === 0 && <p className="soft">No socket is open. Open your page, and it is here.</p>}
      {value?.map((socket) => (
        <section className="card" key={socket.id} aria-label={`Socket ${socket.id}`}>
          <h2>
            {socket.operator ? `operator ${socket.operator}` : socket.user || "nobody"} <span className="soft">{socket.org}</span>
          </h2>
          <p className="soft">
            {socket.kind} · <code>{socket.id}</code> · watches {count(socket.watching)} documents and ranges
          </p>
          <Queries of={socket.queries} />
        </section>
      ))}
    </>
  );
}

/** Live queries in a table. */
export function Queries({ of: queries }: { of: Live[] }) {
  if (queries.length === 0) return <p className="soft">No live queries.</p>;
  return (
    <div className="scroll" tabIndex={0} role="region" aria-label="Live queries">
      <table>
        <thead>
          <tr>
            <th scope="col">Query</th>
            <th scope="col">Arguments</th>
            <th scope="col">Value</th>
            <th scope="col">Watches</th>
            <th scope="col">Shared</th>
            <th scope="col">Run again because of</th>
          </tr>
        </thead>
        <tbody>
          {queries.map((query) => (
            <tr key={`${query.path} ${query.args} ${query.org}`}>
              <td>{query.path}</td>
              <td className="cut">
                <code>{query.args}</code>
              </td>
              <td className="number">{bytes(query.bytes)}</td>
              <td className="number">{query.watches}</td>
              <td>{query.shared ? "by its org" : "one caller's own"}</td>
              <td className="cut">{query.why.length > 0 ? query.why.map((place) => <code key={place}>{place} </code>) : "its first run"}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
