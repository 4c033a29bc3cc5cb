import { useAction, useMutation, useQuery } from "convex/react";
import { KeyRound, MessageSquarePlus, Pencil, Plus, ShieldOff, Trash2 } from "lucide-react";
import { useState } from "react";
import { type Attempt, useAttempt } from "../hooks/useAttempt";
import { api } from "../lib/api";
import { newOn } from "../lib/route";
import type { MachineView, WorkerView } from "../lib/views";
import { Cards } from "./Cards";
import { Confirm } from "./Confirm";
import { CopyButton } from "./CopyButton";
import { Empty } from "./Empty";
import { RenameMachine } from "./RenameMachine";
import { TakeIn } from "./TakeIn";
import { Moment } from "./When";

/** The person's machines, and those that are shared with them, live. */
export function Machines() {
  const machines = useQuery(api.machines.list, {});
  const { problem, attempt } = useAttempt();
  const [taking, setTaking] = useState(false);
  return (
    <Cards
      title="Machines"
      loading={machines === undefined}
      problem={problem}
      action={
        <button type="button" onClick={() => setTaking(true)}>
          <Plus aria-hidden="true" size={16} /> Take in a worker
        </button>
      }
    >
      {taking && <TakeIn onDone={() => setTaking(false)} />}
      {machines?.length === 0 && !taking && (
        <Empty title="No machines yet">
          A machine of your own answers chats with a coding agent: opencode, Claude, or any that speaks ACP. It opens no
          port, works only in folders that you name, and asks before it does anything.
        </Empty>
      )}
      {machines?.map((machine) => (
        <Machine key={machine.machineId} machine={machine} attempt={attempt} />
      ))}
    </Cards>
  );
}

function Machine({ machine, attempt }: { machine: MachineView; attempt: Attempt }) {
  const { machineId, name, os, mine, owner, workers } = machine;
  const remove = useMutation(api.machines.remove);
  const [renaming, setRenaming] = useState(false);
  return (
    <article className="card" aria-label={name}>
      <header>
        <h2>{name}</h2>
        <State of={machine} />
      </header>
      <p className="hint">
        {os}
        {!mine && ` · shared by ${owner}`}
      </p>
      {workers.map((worker) => (
        <Worker key={worker.workerId} worker={worker} attempt={attempt} />
      ))}
      {renaming && <RenameMachine machineId={machineId} name={name} onDone={() => setRenaming(false)} />}
      {mine && !renaming && (
        <menu>
          <button type="button" className="quiet" aria-label={`Rename ${name}`} onClick={() => setRenaming(true)}>
            <Pencil aria-hidden="true" size={15} /> Rename
          </button>
          <Confirm
            label={`Remove ${name}`}
            question={`Remove the machine “${name}”?`}
            consequence="Its workers have no access any more, and what they write ends. Their chats stay readable."
            verb="Remove"
            onConfirm={() => void attempt(() => remove({ machineId }), name)}
          >
            <Trash2 aria-hidden="true" size={15} /> Remove
          </Confirm>
        </menu>
      )}
    </article>
  );
}

function Worker({ worker, attempt }: { worker: WorkerView; attempt: Attempt }) {
  const { workerId, name, agents, dirs, approval, audience, mine } = worker;
  const share = useMutation(api.workers.share);
  const revoke = useMutation(api.workers.revoke);
  const rotate = useAction(api.workers.rotate);
  const [token, setToken] = useState<string | null>(null);
  const doing = (work: () => Promise<unknown>) => void attempt(work, name);
  const shared = audience === "org";
  return (
    <section className="worker" aria-label={`Worker ${name}`}>
      <header>
        <h3>{name}</h3>
        {approval === "revoked" ? <span className="badge">Revoked</span> : <State of={worker} />}
      </header>
      <dl className="facts">
        <dt>Agents</dt>
        <dd>{agents.map(({ kind, version }) => [kind, version].filter(Boolean).join(" ")).join(", ") || "None"}</dd>
        <dt>Folders</dt>
        <dd>{dirs.join(", ") || "None"}</dd>
      </dl>
      {token && (
        <p className="hint">
          The new token, shown this once: <code>{token}</code> <CopyButton text={token} label="Copy token" />
        </p>
      )}
      {approval === "approved" && (
        <menu>
          <a className="button" href={newOn(workerId)}>
            <MessageSquarePlus aria-hidden="true" size={15} /> New chat
          </a>
          {mine && (
            <>
              <label className="switch">
                <input
                  type="checkbox"
                  role="switch"
                  aria-label={`${name} is shared with the organisation`}
                  checked={shared}
                  onChange={() => doing(() => share({ workerId, audience: shared ? "owner" : "org" }))}
                />
                <span aria-hidden="true">{shared ? "Shared" : "Only you"}</span>
              </label>
              <button
                type="button"
                className="quiet"
                onClick={() => doing(async () => setToken(await rotate({ workerId })))}
              >
                <KeyRound aria-hidden="true" size={15} /> New token
              </button>
              <Confirm
                label={`Revoke ${name}`}
                question={`Revoke the worker “${name}”?`}
                consequence="It has no access from its next call on, and what it writes ends with what it has said."
                verb="Revoke"
                onConfirm={() => doing(() => revoke({ workerId }))}
              >
                <ShieldOff aria-hidden="true" size={15} /> Revoke
              </Confirm>
            </>
          )}
        </menu>
      )}
    </section>
  );
}

function State({ of: { status, offlineSince } }: { of: { status: "online" | "offline"; offlineSince?: number } }) {
  return (
    <span className="state" data-status={status}>
      {status === "online" ? "Online" : "Offline"}
      {status === "offline" && offlineSince !== undefined && (
        <>
          {" since "}
          <Moment at={offlineSince} />
        </>
      )}
    </span>
  );
}
