import { useMutation, useQuery } from "convex/react";
import type { FunctionReturnType } from "convex/server";
import { CircleCheck, Play, Plus, Square } from "lucide-react";
import { type FormEvent, useState } from "react";
import { api } from "../generated/api";
import { explain } from "../lib/explain";
import { addressOf } from "../lib/route";
import { PaneHeader } from "./PaneHeader";
import { When } from "./When";

type TaskView = FunctionReturnType<typeof api.tasks.list>[number];
type AgentRunView = FunctionReturnType<typeof api.tasks.runs>[number];

const STATUS = { pending: "Not begun", in_progress: "In progress", completed: "Done" } as const;
const STATE = {
  pending: "Waits",
  running: "Runs",
  completed: "Completed",
  failed: "Failed",
  aborted: "Stopped",
  interrupted: "Interrupted",
} as const;
const AGENTS = ["planification", "implementation", "review"] as const;
const NAMES = { planification: "Plan", implementation: "Implement", review: "Review" } as const;

/** Things to be done, and the agents that work at them, live (seed 001). */
export function Tasks() {
  const tasks = useQuery(api.tasks.list, {});
  const create = useMutation(api.tasks.create);
  const [title, setTitle] = useState("");
  const [problem, setProblem] = useState<string | null>(null);

  async function add(event: FormEvent) {
    event.preventDefault();
    setProblem(null);
    try {
      await create({ title: title.trim() });
      setTitle("");
    } catch (refused) {
      setProblem(explain(refused));
    }
  }

  return (
    <main className="pane" aria-busy={tasks === undefined}>
      <PaneHeader title="Tasks" />
      <div className="scroller">
        <div className="column cards">
          <form className="row" onSubmit={add}>
            <input
              aria-label="What is to be done"
              placeholder="What is to be done"
              value={title}
              maxLength={200}
              onChange={(event) => setTitle(event.target.value)}
            />
            <button type="submit" className="primary" disabled={!title.trim()}>
              <Plus aria-hidden="true" size={16} /> Add
            </button>
          </form>
          {problem && (
            <p role="alert" className="problem">
              {problem}
            </p>
          )}
          {tasks?.length === 0 && (
            <p className="hint">
              An agent plans, implements or reviews a task in a conversation of its own. Implementation and review take
              turns until the workflow is complete.
            </p>
          )}
          {tasks?.map((task) => (
            <Task key={task.taskId} task={task} onProblem={setProblem} />
          ))}
        </div>
      </div>
    </main>
  );
}

function Task({ task, onProblem }: { task: TaskView; onProblem: (problem: string | null) => void }) {
  const { taskId, running } = task;
  const runs = useQuery(api.tasks.runs, { taskId });
  const start = useMutation(api.tasks.startRun);
  const stop = useMutation(api.tasks.stopRun);
  const update = useMutation(api.tasks.update);

  async function attempt(work: () => Promise<unknown>) {
    onProblem(null);
    try {
      await work();
    } catch (refused) {
      onProblem(explain(refused));
    }
  }

  return (
    <article className="card" aria-label={task.title}>
      <h2>{task.title}</h2>
      <p className="hint">
        {STATUS[task.status]}
        {task.workflowComplete && " · workflow complete"}
      </p>
      {runs && runs.length > 0 && (
        <ol className="runs" aria-label="Agent runs">
          {runs.map((run) => (
            <Run key={run.agentRunId} run={run} />
          ))}
        </ol>
      )}
      <menu>
        {running ? (
          <button type="button" onClick={() => attempt(() => stop({ agentRunId: running }))}>
            <Square aria-hidden="true" size={13} fill="currentColor" /> Stop
          </button>
        ) : (
          AGENTS.map((type) => (
            <button key={type} type="button" onClick={() => attempt(() => start({ taskId, type }))}>
              <Play aria-hidden="true" size={15} /> {NAMES[type]}
            </button>
          ))
        )}
        {!task.workflowComplete && (
          <button
            type="button"
            className="quiet"
            onClick={() => attempt(() => update({ taskId, workflowComplete: true, status: "completed" }))}
          >
            <CircleCheck aria-hidden="true" size={16} /> Complete
          </button>
        )}
      </menu>
    </article>
  );
}

function Run({ run }: { run: AgentRunView }) {
  const name = run.agentType ? NAMES[run.agentType] : "Agent";
  return (
    <li data-state={run.state}>
      {run.sessionId ? <a href={addressOf(run.sessionId)}>{name}</a> : name}
      <span className="state">{STATE[run.state]}</span>
      {run.reason && <span className="hint">{run.reason}</span>}
      <span className="about">
        <When at={run.createdAt} />
      </span>
    </li>
  );
}
