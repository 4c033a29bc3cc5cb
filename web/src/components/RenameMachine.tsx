import { useMutation } from "convex/react";
import { useForm } from "../hooks/useForm";
import { api } from "../lib/api";
import { Form, TextField } from "./Form";

const LONGEST = 200;

/** Another name for one of the person's machines. */
export function RenameMachine({ machineId, name, onDone }: { machineId: string; name: string; onDone: () => void }) {
  const rename = useMutation(api.machines.rename);
  const form = useForm({ name }, async (values) => {
    await rename({ machineId, ...values });
    onDone();
  });
  return (
    <Form form={form} verb="Rename" incomplete={!form.values.name.trim()} onCancel={onDone}>
      <TextField form={form} name="name" label="Name of the machine" required autoFocus maxLength={LONGEST} />
    </Form>
  );
}
