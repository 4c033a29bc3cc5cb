import { count, ms } from "../words";
import { Heads } from "../Heads";

/** What a function was called for within the last hour. */
export interface Sums {
  path: string;
  calls: number;
  errors: number;
  p50: number | null;
  p95: number | null;
  reads: number;
  writes: number;
  readUnits: number;
  writeUnits: number;
}

/** The last hour of one function. */
export function Statistics({ of: sums }: { of: Sums | undefined }) {
  if (!sums) return <p className="soft">Not called within the last hour.</p>;
  return (
    <p aria-label="The last hour" role="group">
      Within the last hour <b>{count(sums.calls)}</b> calls, <b className={sums.errors ? "bad" : undefined}>{count(sums.errors)}</b> failed; half took at most{" "}
      {ms(sums.p50)}, 95 % at most {ms(sums.p95)}. They read {count(sums.reads)} and wrote {count(sums.writes)} items: about{" "}
      {count(sums.readUnits)} read and {count(sums.writeUnits)} write units of DynamoDB.
    </p>
  );
}

/** The last hour of all functions, the busiest first. */
export function Hour({ of: functions }: { of: Sums[] }) {
  return (
    <>
      <h2>The last hour</h2>
      <p className="soft">Choose a function to run it. {functions.length === 0 && "None was called within the last hour."}</p>
      {functions.length > 0 && (
        <div className="scroll" tabIndex={0} role="region" aria-label="The last hour">
          <table>
            <Heads names={["Function", "#Calls", "#Failed", "#p50", "#p95", "#Reads", "#Writes", "#Read units", "#Write units"]} />
            <tbody>
              {functions.map((each) => (
                <tr key={each.path}>
                  <td>
                    <a href={`#/functions/${each.path}`}>{each.path}</a>
                  </td>
                  <td className="number">{count(each.calls)}</td>
                  <td className="number">{count(each.errors)}</td>
                  <td className="number">{ms(each.p50)}</td>
                  <td className="number">{ms(each.p95)}</td>
                  <td className="number">{count(each.reads)}</td>
                  <td className="number">{count(each.writes)}</td>
                  <td className="number">{count(each.readUnits)}</td>
                  <td className="number">{count(each.writeUnits)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </>
  );
}
