import { useMutation, useQuery } from "convex/react";
import { Pencil, Play, Plus, Square, Trash2 } from "lucide-react";
import { useEffect, useRef } from "react";
import { api } from "../lib/api";
import { type Attempt, useAttempt } from "../hooks/useAttempt";
import { go, SCHEDULES, scheduleAt } from "../lib/route";
import type { ScheduleView } from "../lib/views";
import { Cards } from "./Cards";
import { Confirm } from "./Confirm";
import { Empty } from "./Empty";
import { Runs } from "./Runs";
import { ScheduleForm } from "./ScheduleForm";
import { Moment } from "./When";

const BY = { cron: "By the clock", manual: "By hand", chain: "By hand" } as const;

/** The id of what opens a form. */
const opener = (schedule: string) => `open-${schedule}`;

/** Prompts that are asked by the clock. `open`: whose form is shown, `new` for one that is not made yet. */
export function Schedules({ open }: { open: string | null }) {
  const schedules = useQuery(api.schedules.list, {});
  const { problem, attempt } = useAttempt();
  const last = useRef<string | null>(null);
  const done = () => go(SCHEDULES);

  useEffect(() => {
    // the keyboard goes on where the form was opened
    if (open === null && last.current !== null) document.getElementById(opener(last.current))?.focus();
    last.current = open;
  }, [open]);

  return (
    <Cards
      title="Schedules"
      loading={schedules === undefined}
      problem={problem}
      action={
        <a className="button" id={opener("new")} href={scheduleAt("new")}>
          <Plus aria-hidden="true" size={16} /> New schedule
        </a>
      }
    >
      {open === "new" && <ScheduleForm onDone={done} />}
      {schedules?.length === 0 && open !== "new" && (
        <Empty title="No schedules yet">
          A schedule asks the assistant something by the clock, each time in a session of its own. While one run is at
          work the next is left out.
        </Empty>
      )}
      {schedules?.map((schedule) =>
        open === schedule.scheduleId ? (
          <ScheduleForm key={schedule.scheduleId} schedule={schedule} onDone={done} />
        ) : (
          <Schedule key={schedule.scheduleId} schedule={schedule} attempt={attempt} />
        ),
      )}
    </Cards>
  );
}

function Schedule({ schedule, attempt }: { schedule: ScheduleView; attempt: Attempt }) {
  const { scheduleId, name, enabled, running, nextRunAt, lastRunAt } = schedule;
  const runs = useQuery(api.schedules.runs, { scheduleId });
  const update = useMutation(api.schedules.update);
  const remove = useMutation(api.schedules.delete);
  const runNow = useMutation(api.schedules.runNow);
  const stop = useMutation(api.tasks.stopRun);

  const doing = (work: () => Promise<unknown>) => attempt(work, name);

  return (
    <article className="card" aria-label={name}>
      <header>
        <h2>{name}</h2>
        <label className="switch">
          <input
            type="checkbox"
            role="switch"
            aria-label={`${name} is switched on`}
            checked={enabled}
            onChange={() => doing(() => update({ scheduleId, enabled: !enabled }))}
          />
          <span aria-hidden="true">{enabled ? "On" : "Off"}</span>
        </label>
      </header>
      <p className="hint excerpt">{schedule.prompt}</p>
      <dl className="facts">
        <dt>When</dt>
        <dd>
          <code>{schedule.schedule}</code> UTC
        </dd>
        <dt>Next run</dt>
        <dd>{nextRunAt === undefined ? "None while it is switched off" : <Moment at={nextRunAt} />}</dd>
        <dt>Last run</dt>
        <dd>{lastRunAt === undefined ? "Not yet" : <Moment at={lastRunAt} />}</dd>
      </dl>
      {runs && <Runs runs={runs} name={(run) => BY[run.triggeredBy]} />}
      <menu>
        {running ? (
          <button type="button" onClick={() => doing(() => stop({ agentRunId: running }))}>
            <Square aria-hidden="true" size={13} fill="currentColor" /> Stop
          </button>
        ) : (
          <button type="button" onClick={() => doing(() => runNow({ scheduleId }))}>
            <Play aria-hidden="true" size={15} /> Run now
          </button>
        )}
        <a className="button" id={opener(scheduleId)} href={scheduleAt(scheduleId)}>
          <Pencil aria-hidden="true" size={15} /> Edit
        </a>
        <Confirm
          label={`Delete ${name}`}
          question={`Delete the schedule “${name}”?`}
          consequence="The sessions that it started stay."
          verb="Delete"
          onConfirm={() => doing(() => remove({ scheduleId }))}
        >
          <Trash2 aria-hidden="true" size={15} />
        </Confirm>
      </menu>
    </article>
  );
}
