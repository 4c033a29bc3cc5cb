import { useMutation } from "convex/react";
import { api } from "../generated/api";
import { useForm } from "../hooks/useForm";
import { configured, reachable } from "../lib/toolServers";
import type { DomainView } from "../lib/views";
import { Form, TextField } from "./Form";
import { Servers } from "./Servers";

/** A new domain, or a change of one. What the server refuses is said with its field. */
export function DomainForm({ domain, onDone }: { domain?: DomainView; onDone: () => void }) {
  const create = useMutation(api.domains.create);
  const update = useMutation(api.domains.update);
  const before = domain?.mcpServers ?? [];
  const form = useForm(
    () => ({
      name: domain?.name ?? "",
      systemPrompt: domain?.systemPrompt ?? "",
      model: domain?.model ?? "",
      mcpServers: reachable(before),
    }),
    async ({ name, systemPrompt, model, mcpServers }) => {
      const told = {
        name: name.trim(),
        systemPrompt,
        mcpServers: configured(mcpServers, before),
        ...(model.trim() && { model: model.trim() }),
      };
      await (domain ? update({ domainId: domain.domainId, ...told }) : create(told));
      onDone();
    },
  );

  return (
    <Form
      form={form}
      title={domain ? `Edit ${domain.name}` : "New domain"}
      verb={domain ? "Save" : "Create"}
      incomplete={!form.values.name.trim()}
      onCancel={onDone}
    >
      <TextField form={form} name="name" label="Name" autoFocus required maxLength={100} />
      <TextField
        form={form}
        name="systemPrompt"
        label="Instruction"
        rows={5}
        placeholder="What the assistant is told before every conversation"
      />
      <TextField form={form} name="model" label="Model" placeholder="The server's default" />
      <Servers
        servers={form.values.mcpServers}
        refusal={form.refusal}
        onChange={(mcpServers) => form.set({ mcpServers })}
      />
      {domain && <p className="hint">Conversations that have started keep the configuration that they started with.</p>}
    </Form>
  );
}
