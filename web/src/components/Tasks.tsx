import { useMutation, useQuery } from "convex/react";
import { CircleCheck, Play, Plus, RotateCcw, Square, Trash2 } from "lucide-react";
import { api } from "../lib/api";
import { type Attempt, useAttempt } from "../hooks/useAttempt";
import { useForm } from "../hooks/useForm";
import type { TaskView } from "../lib/views";
import { Cards } from "./Cards";
import { Confirm } from "./Confirm";
import { Empty } from "./Empty";
import { Refused } from "./Field";
import { Runs } from "./Runs";

const STATUS = { pending: "Not begun", in_progress: "In progress", completed: "Done" } as const;
const AGENTS = ["planification", "implementation", "review"] as const;
const NAMES = { planification: "Plan", implementation: "Implement", review: "Review" } as const;

/** Things to be done, and the agents that work at them, live. */
export function Tasks() {
  const tasks = useQuery(api.tasks.list, {});
  const { problem, attempt } = useAttempt();
  return (
    <Cards title="Tasks" loading={tasks === undefined} problem={problem}>
      <NewTask />
      {tasks?.length === 0 && (
        <Empty title="No tasks yet">
          An agent plans, implements or reviews a task in a conversation of its own. Implementation and review take turns
          until the workflow is complete.
        </Empty>
      )}
      {tasks?.map((task) => (
        <Task key={task.taskId} task={task} attempt={attempt} />
      ))}
    </Cards>
  );
}

/** One line; its second field comes with the first letter. */
function NewTask() {
  const create = useMutation(api.tasks.create);
  const form = useForm({ title: "", description: "" }, async ({ title, description }) => {
    await create({ title: title.trim(), ...(description.trim() && { description: description.trim() }) });
    form.set({ title: "", description: "" });
  });
  const { title, description } = form.values;
  return (
    <>
      <form className="row adding" onSubmit={form.submit}>
        <input
          aria-label="What is to be done"
          placeholder="What is to be done"
          value={title}
          maxLength={200}
          onChange={(event) => form.set({ title: event.target.value })}
        />
        <button type="submit" className="primary" disabled={form.busy || !title.trim()}>
          <Plus aria-hidden="true" size={16} /> Add
        </button>
        {title.trim() && (
          <textarea
            aria-label="What the agents have to know about it"
            placeholder="What the agents have to know about it"
            rows={3}
            value={description}
            maxLength={8000}
            onChange={(event) => form.set({ description: event.target.value })}
          />
        )}
      </form>
      <Refused refusal={form.refusal} shown={[]} />
    </>
  );
}

function Task({ task, attempt }: { task: TaskView; attempt: Attempt }) {
  const { taskId, running } = task;
  const runs = useQuery(api.tasks.runs, { taskId });
  const start = useMutation(api.tasks.startRun);
  const stop = useMutation(api.tasks.stopRun);
  const update = useMutation(api.tasks.update);
  const remove = useMutation(api.tasks.delete);

  const doing = (work: () => Promise<unknown>) => attempt(work, task.title);

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
          <button type="button" onClick={() => doing(() => stop({ agentRunId: running }))}>
            <Square aria-hidden="true" size={13} fill="currentColor" /> Stop
          </button>
        ) : (
          AGENTS.map((type) => (
            <button key={type} type="button" onClick={() => doing(() => start({ taskId, type }))}>
              <Play aria-hidden="true" size={15} /> {NAMES[type]}
            </button>
          ))
        )}
        {task.workflowComplete ? (
          <button
            type="button"
            className="quiet"
            onClick={() => doing(() => update({ taskId, workflowComplete: false, status: "in_progress" }))}
          >
            <RotateCcw aria-hidden="true" size={15} /> Reopen
          </button>
        ) : (
          <button
            type="button"
            className="quiet"
            onClick={() => doing(() => update({ taskId, workflowComplete: true, status: "completed" }))}
          >
            <CircleCheck aria-hidden="true" size={16} /> Complete
          </button>
        )}
        <Confirm
          label={`Delete ${task.title}`}
          question={`Delete the task “${task.title}”?`}
          consequence="What runs for it is stopped; its conversations stay."
          verb="Delete"
          onConfirm={() => doing(() => remove({ taskId }))}
        >
          <Trash2 aria-hidden="true" size={15} />
        </Confirm>
      </menu>
    </article>
  );
}
