import { useQuery } from "convex/react";
import { useForm } from "../hooks/useForm";
import { useSessionActions } from "../hooks/useAssistantSessions";
import { api } from "../lib/api";
import { addressOf, go, MACHINES } from "../lib/route";
import type { WorkerView } from "../lib/views";
import { Cards } from "./Cards";
import { Field } from "./Field";
import { Form, TextField } from "./Form";

/** A new chat that a worker answers: which agent, where, and what becomes of messages while it is away. */
export function NewChatOn({ workerId }: { workerId: string }) {
  const worker = useQuery(api.workers.get, { workerId });
  return (
    <Cards title="New chat on a machine" loading={worker === undefined} problem={null}>
      {worker === null && <p className="hint">There is no such worker, or it is not shared with you any more.</p>}
      {worker && <Choices worker={worker} />}
    </Cards>
  );
}

function Choices({ worker }: { worker: WorkerView }) {
  const { start } = useSessionActions();
  const { workerId, name, agents, dirs } = worker;
  const first = { agent: agents[0]?.kind ?? "", directory: dirs[0] ?? "", model: "", onOffline: "wait" as "wait" | "reject" };
  const form = useForm(first, async ({ agent, directory, model, onOffline }) => {
    const chosen = { ...(agent && { agent }), ...(directory && { directory }), ...(model.trim() && { model: model.trim() }) };
    go(addressOf(await start({ workerId, onOffline, ...chosen })));
  });
  const { agent, onOffline } = form.values;
  return (
    <Form form={form} title={name} verb="Start" onCancel={() => go(MACHINES)}>
      {worker.status === "offline" && <p className="hint">It is offline now. Messages wait until it is back.</p>}
      <Field label="Agent" name="agent" refusal={form.refusal}>
        {(aria) => (
          <select {...aria} value={agent} onChange={(event) => form.set({ agent: event.target.value })}>
            {agents.map(({ kind, version }) => (
              <option key={kind} value={kind}>
                {[kind, version].filter(Boolean).join(" ")}
              </option>
            ))}
          </select>
        )}
      </Field>
      <TextField form={form} name="directory" label="Folder" maxLength={1000} list="folders" required />
      <datalist id="folders">
        {dirs.map((each) => (
          <option key={each} value={each} />
        ))}
      </datalist>
      <TextField form={form} name="model" label="Model" placeholder="The agent's own" maxLength={200} />
      <label className="check">
        <input
          type="checkbox"
          checked={onOffline === "wait"}
          onChange={(event) => form.set({ onOffline: event.target.checked ? "wait" : "reject" })}
        />
        Messages wait while the machine is offline
      </label>
    </Form>
  );
}
