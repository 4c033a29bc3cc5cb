import type { PaneProps } from "../App";
import { usePolled } from "../calls";
import { Heads } from "../Heads";
import { bytes, count } from "../words";

/** A live query. Where connections are rows, nobody knows how large its value is, who shares it, or why it was made again. */
export interface Live {
  path: string;
  args: string;
  org: string;
  shared?: boolean;
  bytes?: number;
  watches: number;
  why?: string[];
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

interface Sockets {
  live: "owner" | "rows";
  more: boolean;
  sockets: Socket[];
}

/** Of rows each look is paid on DynamoDB: about a read unit for each connection. */
const REFRESH_MS = { sqlite: 2_000, elsewhere: 10_000 };

/** Who is connected, what each watches, and why a query was run again. */
export function Sync({ session }: PaneProps) {
  const every = session.store === "sqlite" ? REFRESH_MS.sqlite : REFRESH_MS.elsewhere;
  const { value, problem } = usePolled<Sockets>("sync:sockets", {}, every);
  return (
    <>
      <h1>Sync</h1>
      <p className="soft">
        {value?.live === "rows"
          ? `Open sockets of all processes, and the queries that each subscribes to; asked again every ${every / 1000} seconds.`
          : "Open sockets of this process, the queries that each subscribes to, and what was written when a query was run again."}
      </p>
      {problem && <p role="alert">{problem}</p>}
      {value?.more && <p className="soft">There are more than are shown.</p>}
      {value?.sockets.length === 0 && <p className="soft">No socket is open. Open your page, and it is here.</p>}
      {value?.sockets.map((socket) => (
        <section className="card" key={socket.id} aria-label={`Socket ${socket.id}`}>
          <h2>
            {who(socket)} <span className="soft">{socket.org}</span>
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

/** `ann, an operator who may edit`; a user's name; nobody's. */
function who(socket: Socket): string {
  const [role, name] = socket.operator.split(":");
  if (name) return `${name}, an operator who may ${role}`;
  return socket.user || "nobody";
}

/** Live queries in a table. */
export function Queries({ of: queries }: { of: Live[] }) {
  if (queries.length === 0) return <p className="soft">No live queries.</p>;
  const known = queries.some((query) => query.why !== undefined);
  return (
    <div className="scroll" tabIndex={0} role="region" aria-label="Live queries">
      <table>
        <Heads names={["Query", "Arguments", ...(known ? ["#Value"] : []), "#Watches", ...(known ? ["Shared", "Run again because of"] : [])]} />
        <tbody>
          {queries.map((query) => (
            <tr key={`${query.path} ${query.args} ${query.org}`}>
              <td>{query.path}</td>
              <td className="cut">
                <code>{query.args}</code>
              </td>
              {known && <td className="number">{bytes(query.bytes ?? 0)}</td>}
              <td className="number">{query.watches}</td>
              {known && <td>{query.shared ? "by its org" : "one caller's own"}</td>}
              {known && <td className="cut">{query.why?.length ? query.why.map((place) => <code key={place}>{place} </code>) : "its first run"}</td>}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
