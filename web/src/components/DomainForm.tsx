import { useMutation, useQuery } from "convex/react";
import { api } from "../lib/api";
import { useForm } from "../hooks/useForm";
import { configured, reachable } from "../lib/toolServers";
import type { DomainView } from "../lib/views";
import { Form, TextField } from "./Form";
import { Servers } from "./Servers";

type Props = { domain?: DomainView | undefined; onDone: () => void };

/** A new domain, or a change of one. What a list has cut is fetched first: a form that saved its beginning would lose the rest. */
export function DomainForm({ domain, onDone }: Props) {
  const whole = useQuery(api.domains.get, domain?.cut ? { domainId: domain.domainId } : "skip");
  if (!domain?.cut) return <Fields domain={domain} onDone={onDone} />;
  return whole ? <Fields domain={whole} onDone={onDone} /> : null;
}

/** The fields. What the server refuses is said with its field; one that no answer holds whole is left as it is. */
function Fields({ domain, onDone }: Props) {
  const create = useMutation(api.domains.create);
  const update = useMutation(api.domains.update);
  const before = domain?.mcpServers ?? [];
  const isWhole = (field: "systemPrompt" | "mcpServers") => !domain?.cut?.includes(field);
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
        ...(isWhole("systemPrompt") && { systemPrompt }),
        ...(isWhole("mcpServers") && { mcpServers: configured(mcpServers, before) }),
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
      {isWhole("systemPrompt") ? (
        <TextField
          form={form}
          name="systemPrompt"
          label="Instruction"
          rows={5}
          placeholder="What the assistant is told before every conversation"
        />
      ) : (
        <p className="hint">The instruction is too long to be changed here, and stays as it is.</p>
      )}
      <TextField form={form} name="model" label="Model" placeholder="The server's default" />
      {isWhole("mcpServers") && (
        <Servers
          servers={form.values.mcpServers}
          refusal={form.refusal}
          onChange={(mcpServers) => form.set({ mcpServers })}
        />
      )}
      {domain && <p className="hint">Conversations that have started keep the configuration that they started with.</p>}
    </Form>
  );
}
