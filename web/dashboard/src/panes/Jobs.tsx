import { useConvex } from "convex/react";
import { useState } from "react";
import type { PaneProps } from "../App";
import { mutationAt, sentence, usePolled } from "../calls";
import { inline, moment } from "../words";

interface Job {
  _id: string;
  org: string;
  path: string;
  args: unknown;
  due: number;
  state: string;
  error?: string;
}

interface Cron {
  name: string;
  path: string;
  args: unknown;
  next: number;
  place: string;
}

/** Calls that happen later. */
export function Jobs({ session, acting }: PaneProps) {
  const client = useConvex();
  const jobs = usePolled<Job[]>("overview:jobs", {}, 2_000);
  const crons = usePolled<Cron[]>("overview:crons", {}, 10_000);
  const [said, setSaid] = useState("");
  const mine = acting.org ?? "_public";
  const act = async (name: string, job: Job) => {
    try {
      await client.mutation(mutationAt(`jobs:${name}`), { jobId: job._id });
      setSaid("");
      await jobs.again();
    } catch (error) {
      setSaid(sentence(error));
    }
  };
  return (
    <>
      <h1>Jobs</h1>
      {(jobs.problem || said) && <p role="alert">{jobs.problem || said}</p>}
      {jobs.value?.length === 0 && <p className="soft">Nothing waits, runs or has failed within a week.</p>}
      <div className="scroll" tabIndex={0} role="region" aria-label="Jobs" hidden={!jobs.value?.length}>
        <table>
          <thead>
            <tr>
              <th scope="col">State</th>
              <th scope="col">Function</th>
              <th scope="col">Arguments</th>
              <th scope="col">Due</th>
              <th scope="col">Org</th>
              <th scope="col">
                <span className="unseen">What can be done</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {jobs.value?.map((job) => (
              <tr key={job._id} className={job.state === "failed" ? "bad" : undefined}>
                <td>{job.state === "inProgress" ? "running" : job.state}</td>
                <td>
                  {job.path}
                  {job.error && <div className="soft">{job.error}</div>}
                </td>
                <td className="cut">
                  <code>{inline(job.args)}</code>
                </td>
                <td>{moment(job.due)}</td>
                <td>{job.org}</td>
                <td>
                  {session.role === "edit" && job.state === "pending" && job.org === mine && (
                    <>
                      <button type="button" onClick={() => act("runNow", job)}>
                        Run now
                      </button>{" "}
                      <button type="button" onClick={() => act("cancel", job)}>
                        Cancel
                      </button>
                    </>
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <h2>Crons</h2>
      {crons.value?.length === 0 && <p className="soft">No app declares any.</p>}
      {crons.value && crons.value.length > 0 && (
        <div className="scroll" tabIndex={0} role="region" aria-label="Crons">
          <table>
            <thead>
              <tr>
                <th scope="col">Name</th>
                <th scope="col">Function</th>
                <th scope="col">Next</th>
                <th scope="col">Declared at</th>
              </tr>
            </thead>
            <tbody>
              {crons.value.map((cron) => (
                <tr key={cron.name}>
                  <td>{cron.name}</td>
                  <td>{cron.path}</td>
                  <td>{moment(cron.next)}</td>
                  <td>
                    <code>{cron.place}</code>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </>
  );
}
