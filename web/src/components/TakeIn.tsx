import { useAction } from "convex/react";
import { useState } from "react";
import { useAttempt } from "../hooks/useAttempt";
import { useForm } from "../hooks/useForm";
import { api } from "../lib/api";
import type { AskingView } from "../lib/views";
import { Form, TextField } from "./Form";
import { Problem } from "./Problem";

/** A worker shows a code; whoever types it sees what asks, and takes it in or not. */
export function TakeIn({ onDone }: { onDone: () => void }) {
  const look = useAction(api.workers.pendingByCode);
  const [asking, setAsking] = useState<AskingView | null>(null);
  const form = useForm({ code: "" }, async ({ code }) => {
    const found = await look({ code });
    if (found === null) throw new Error("There is no worker that shows this code. It may have expired.");
    setAsking(found);
  });
  if (asking) return <Decision asking={asking} code={form.values.code} onDone={onDone} />;
  return (
    <Form form={form} title="Take in a worker" verb="Look" incomplete={!form.values.code.trim()} onCancel={onDone}>
      <p className="hint">
        Run <code>concave-worker enrol {location.origin}</code> on the machine. It shows a code of eight letters.
      </p>
      <TextField form={form} name="code" label="Code" maxLength={40} placeholder="BCDF-GHJK" autoFocus />
    </Form>
  );
}

function Decision({ asking, code, onDone }: { asking: AskingView; code: string; onDone: () => void }) {
  const approve = useAction(api.workers.approve);
  const deny = useAction(api.workers.deny);
  const { problem, attempt } = useAttempt();
  const form = useForm({ audience: "owner" as "owner" | "org" }, async ({ audience }) => {
    await approve({ code, audience });
    onDone();
  });
  const denying = () =>
    attempt(async () => {
      await deny({ code });
      onDone();
    });
  const no = (
    <button type="button" className="quiet" onClick={() => void denying()}>
      Deny it
    </button>
  );
  return (
    <Form form={form} title={`${asking.machineName} asks to be taken in`} verb="Approve" onCancel={onDone} beside={no}>
      <dl className="facts">
        <dt>Worker</dt>
        <dd>{asking.name}</dd>
        <dt>System</dt>
        <dd>{asking.os}</dd>
        <dt>Agents</dt>
        <dd>{asking.agents.map(({ kind, version }) => [kind, version].filter(Boolean).join(" ")).join(", ") || "None"}</dd>
        <dt>Folders</dt>
        <dd>{asking.dirs.join(", ") || "None"}</dd>
      </dl>
      <p className="hint">
        Approve it only if you have started it yourself: it answers in your name, and its agent works in these folders.
      </p>
      <label className="check">
        <input
          type="checkbox"
          checked={form.values.audience === "org"}
          onChange={(event) => form.set({ audience: event.target.checked ? "org" : "owner" })}
        />
        Everybody of the organisation may use it
      </label>
      <Problem>{problem}</Problem>
    </Form>
  );
}
