import { useMutation, useQuery } from "convex/react";
import type { FunctionReturnType } from "convex/server";
import { CircleCheck, Play, Plus, RotateCcw, Square, Trash2 } from "lucide-react";
import { type FormEvent, useState } from "react";
import { api } from "../generated/api";
import { explain } from "../lib/explain";
import { PaneHeader } from "./PaneHeader";
import { Runs } from "./Runs";

type TaskView = FunctionReturnType<typeof api.tasks.list>[number];

const STATUS = { pending: "Not begun", in_progress: "In progress", completed: "Done" } as const;
const AGENTS = ["planification", "implementation", "review"] as const;
const NAMES = { planification: "Plan", implementation: "Implement", review: "Review" } as const;

/** Things to be done, and the agents that work at them, live (seed 001). */
export function Tasks() {
  const tasks = useQuery(api.tasks.list, {});
  const create = useMutation(api.tasks.create);
  const [title, setTitle] = useState("");
  const [description, setDescription] = useState("");
  const [problem, setProblem] = useState<string | null>(null);

  async function add(event: FormEvent) {
    event.preventDefault();
    setProblem(null);
    try {
      await create({ title: title.trim(), ...(description.trim() && { description: description.trim() }) });
      setTitle("");
      setDescription("");
    } catch (refused) {
      setProblem(explain(refused));
    }
  }

  return (
    <main className="pane" aria-busy={tasks === undefined}>
      <PaneHeader title="Tasks" />
      <div className="scroller">
        <div className="column cards">
          <form className="row adding" onSubmit={add}>
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
            {title.trim() && (
              <textarea
                aria-label="What the agents have to know about it"
                placeholder="What the agents have to know about it"
                rows={3}
                value={description}
                maxLength={8000}
                onChange={(event) => setDescription(event.target.value)}
              />
            )}
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
  const remove = useMutation(api.tasks.delete);

  async function attempt(work: () => Promise<unknown>) {
    onProblem(null);
    try {
      await work();
    } catch (refused) {
      onProblem(`${task.title}: ${explain(refused)}`);
    }
  }

  return (
    <article className="card" aria-label={task.title}>
      <h2>{task.title}</h2>
      <p className="hint">
        {STATUS[task.status]}
        {task.workflowComplete && " · workflow complete"}
      </p>
      {task.description && <p className="hint excerpt">{task.description}</p>}
      {runs && <Runs runs={runs} name={({ agentType }) => (agentType ? NAMES[agentType] : "Agent")} />}
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
        {task.workflowComplete ? (
          <button
            type="button"
            className="quiet"
            onClick={() => attempt(() => update({ taskId, workflowComplete: false, status: "in_progress" }))}
          >
            <RotateCcw aria-hidden="true" size={15} /> Reopen
          </button>
        ) : (
          <button
            type="button"
            className="quiet"
            onClick={() => attempt(() => update({ taskId, workflowComplete: true, status: "completed" }))}
          >
            <CircleCheck aria-hidden="true" size={16} /> Complete
          </button>
        )}
        <button
          type="button"
          className="quiet"
          aria-label={`Delete ${task.title}`}
          onClick={() => {
            if (confirm(`Delete the task “${task.title}”? What runs for it is stopped; its conversations stay.`)) {
              void attempt(() => remove({ taskId }));
            }
          }}
        >
          <Trash2 aria-hidden="true" size={15} />
        </button>
      </menu>
    </article>
  );
}
