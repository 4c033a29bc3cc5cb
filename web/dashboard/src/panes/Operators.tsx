import { usePaginatedQuery } from "convex/react";
import type { PaneProps } from "../App";
import { queryAt } from "../calls";
import { Heads } from "../Heads";
import { moment } from "../words";

interface Act {
  _id: string;
  operator: string;
  subject?: string;
  path: string;
  args: string;
  at: number;
}

/** What operators changed in this org, as it happens. */
export function Operators(_: PaneProps) {
  const { results, status, loadMore } = usePaginatedQuery(queryAt("audit:acts") as never, {} as never, { initialNumItems: 50 });
  const acts = results as Act[];
  return (
    <>
      <h1>Operators</h1>
      <p className="soft">Every mutation and action that an operator called in this org within 90 days; this list is live.</p>
      {status !== "LoadingFirstPage" && acts.length === 0 && <p className="soft">Nothing was changed. Edit a document, or run a mutation, and it stands here.</p>}
      <div className="scroll" tabIndex={0} role="region" aria-label="What operators did" hidden={acts.length === 0}>
        <table>
          <Heads names={["When", "Operator", "As", "Function", "Arguments"]} />
          <tbody>
            {acts.map((act) => (
              <tr key={act._id}>
                <td>{moment(act.at)}</td>
                <td>{act.operator}</td>
                <td>{act.subject ?? "the service"}</td>
                <td>{act.path}</td>
                <td className="cut">
                  <code>{act.args}</code>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {status === "CanLoadMore" && (
        <button type="button" onClick={() => loadMore(50)}>
          More
        </button>
      )}
    </>
  );
}
