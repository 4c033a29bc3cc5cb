import { useMutation, useQuery } from "convex/react";
import { useId } from "react";
import { api } from "../lib/api";
import { useForm } from "../hooks/useForm";
import { useVerdict } from "../hooks/useVerdict";
import type { Refusal } from "../lib/explain";
import type { ScheduleView } from "../lib/views";
import { Form, TextField } from "./Form";
import { Moment } from "./When";

type Props = { schedule?: ScheduleView | undefined; onDone: () => void };

/** A new schedule, or a change of one. What a list has cut is fetched first: a form that saved its beginning would lose the rest. */
export function ScheduleForm({ schedule, onDone }: Props) {
  const whole = useQuery(api.schedules.get, schedule?.cut ? { scheduleId: schedule.scheduleId } : "skip");
  if (!schedule?.cut) return <Fields schedule={schedule} onDone={onDone} />;
  return whole ? <Fields schedule={whole} onDone={onDone} /> : null;
}

/** The fields. The expression is looked at while it is typed. */
function Fields({ schedule: before, onDone }: Props) {
  const create = useMutation(api.schedules.create);
  const update = useMutation(api.schedules.update);
  const form = useForm(
    {
      name: before?.name ?? "",
      prompt: before?.prompt ?? "",
      schedule: before?.schedule ?? "",
      model: before?.model ?? "",
    },
    async (values) => {
      const { name, prompt, schedule } = values;
      const told = { name: name.trim(), prompt: prompt.trim(), schedule: schedule.trim() };
      const model = values.model.trim();
      if (before) await update({ scheduleId: before.scheduleId, ...told, model });
      else await create({ ...told, ...(model && { model }) });
      onDone();
    },
  );
  const { name, prompt, schedule } = form.values;

  return (
    <Form
      form={form}
      title={before ? `Edit ${before.name}` : "New schedule"}
      verb={before ? "Save" : "Create"}
      incomplete={!name.trim() || !prompt.trim() || !schedule.trim()}
      onCancel={onDone}
    >
      <TextField form={form} name="name" label="Name" autoFocus required maxLength={100} />
      <TextField
        form={form}
        name="prompt"
        label="Prompt"
        rows={4}
        required
        maxLength={10_000}
        placeholder="What the assistant is asked each time"
      />
      <Expression value={schedule} refusal={form.refusal} onChange={(text) => form.set({ schedule: text })} />
      <TextField form={form} name="model" label="Model" maxLength={100} placeholder="The server's default" />
    </Form>
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
