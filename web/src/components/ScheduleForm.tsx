import { useMutation } from "convex/react";
import { type FormEvent, useId, useState } from "react";
import { api } from "../generated/api";
import { useVerdict } from "../hooks/useVerdict";
import { type Refusal, refusalOf } from "../lib/explain";
import { Field, Refused } from "./Field";
import type { ScheduleView } from "./Schedules";
import { Moment } from "./When";

const FIELDS = ["name", "prompt", "schedule", "model"];

/** A new schedule, or a change of one. The expression is looked at while it is typed. */
export function ScheduleForm({ schedule: before, onDone }: { schedule?: ScheduleView; onDone: () => void }) {
  const create = useMutation(api.schedules.create);
  const update = useMutation(api.schedules.update);
  const [name, setName] = useState(before?.name ?? "");
  const [prompt, setPrompt] = useState(before?.prompt ?? "");
  const [schedule, setSchedule] = useState(before?.schedule ?? "");
  const [model, setModel] = useState(before?.model ?? "");
  const [refusal, setRefusal] = useState<Refusal | null>(null);
  const [busy, setBusy] = useState(false);
  const title = useId();

  async function save(event: FormEvent) {
    event.preventDefault();
    setBusy(true);
    setRefusal(null);
    const told = { name: name.trim(), prompt: prompt.trim(), schedule: schedule.trim() };
    try {
      if (before) await update({ scheduleId: before.scheduleId, ...told, model: model.trim() });
      else await create({ ...told, ...(model.trim() && { model: model.trim() }) });
      onDone();
    } catch (refused) {
      setRefusal(refusalOf(refused));
      setBusy(false);
    }
  }

  return (
    <form className="card" onSubmit={save} aria-labelledby={title}>
      <h2 id={title}>{before ? `Edit ${before.name}` : "New schedule"}</h2>
      <Field label="Name" name="name" refusal={refusal}>
        {(aria) => (
          <input
            {...aria}
            autoFocus
            value={name}
            required
            maxLength={100}
            onChange={(event) => setName(event.target.value)}
          />
        )}
      </Field>
      <Field label="Prompt" name="prompt" refusal={refusal}>
        {(aria) => (
          <textarea
            {...aria}
            rows={4}
            value={prompt}
            required
            maxLength={10_000}
            placeholder="What the assistant is asked each time"
            onChange={(event) => setPrompt(event.target.value)}
          />
        )}
      </Field>
      <Expression value={schedule} refusal={refusal} onChange={setSchedule} />
      <Field label="Model" name="model" refusal={refusal}>
        {(aria) => (
          <input
            {...aria}
            value={model}
            maxLength={100}
            placeholder="The server's default"
            onChange={(event) => setModel(event.target.value)}
          />
        )}
      </Field>
      <Refused refusal={refusal} shown={FIELDS} />
      <menu>
        <button type="button" onClick={onDone}>
          Cancel
        </button>
        <button type="submit" className="primary" disabled={busy || !name.trim() || !prompt.trim() || !schedule.trim()}>
          {before ? "Save" : "Create"}
        </button>
      </menu>
    </form>
  );
}

interface ExpressionProps {
  value: string;
  refusal: Refusal | null;
  onChange: (schedule: string) => void;
}

/** A cron expression, and when it would be due, where the person is. */
function Expression({ value, refusal, onChange }: ExpressionProps) {
  const id = useId();
  const verdict = useVerdict(value.trim());
  const refused = refusal?.field === "schedule" ? refusal.text : null;
  const wrong = verdict ? verdict.error : refused;
  return (
    <div className="field">
      <label>
        Cron expression
        <input
          className="mono"
          value={value}
          required
          maxLength={100}
          placeholder="0 9 * * MON-FRI"
          autoCapitalize="off"
          autoComplete="off"
          spellCheck={false}
          aria-invalid={wrong ? true : undefined}
          aria-describedby={`${id}-verdict ${id}-hint`}
          onChange={(event) => onChange(event.target.value)}
        />
      </label>
      <output id={`${id}-verdict`} className={wrong ? "problem" : "hint"}>
        {wrong ??
          (verdict?.nextRunAt !== undefined && (
            <span>
              Next run: <Moment at={verdict.nextRunAt} />, your time
            </span>
          ))}
      </output>
      <p className="hint" id={`${id}-hint`}>
        Minute, hour, day, month, weekday, in UTC. <code>0 9 * * MON-FRI</code> is nine o’clock on workdays.
      </p>
    </div>
  );
}
