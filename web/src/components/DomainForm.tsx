import { useMutation } from "convex/react";
import { type FormEvent, useId, useState } from "react";
import { api } from "../generated/api";
import { type Refusal, refusalOf } from "../lib/explain";
import type { DomainView } from "./Domains";
import { Field, Refused } from "./Field";
import { configured, reachable, Servers } from "./Servers";

const FIELDS = ["name", "systemPrompt", "model", "mcpServers"];

/** A new domain, or a change of one. What the server refuses is said with its field. */
export function DomainForm({ domain, onDone }: { domain?: DomainView; onDone: () => void }) {
  const create = useMutation(api.domains.create);
  const update = useMutation(api.domains.update);
  const [name, setName] = useState(domain?.name ?? "");
  const [systemPrompt, setSystemPrompt] = useState(domain?.systemPrompt ?? "");
  const [model, setModel] = useState(domain?.model ?? "");
  const [servers, setServers] = useState(() => reachable(domain?.mcpServers ?? []));
  const [refusal, setRefusal] = useState<Refusal | null>(null);
  const [busy, setBusy] = useState(false);
  const title = useId();

  async function save(event: FormEvent) {
    event.preventDefault();
    setBusy(true);
    setRefusal(null);
    const mcpServers = configured(servers, domain?.mcpServers ?? []);
    const told = { name: name.trim(), systemPrompt, mcpServers, ...(model.trim() && { model: model.trim() }) };
    try {
      await (domain ? update({ domainId: domain.domainId, ...told }) : create(told));
      onDone();
    } catch (refused) {
      setRefusal(refusalOf(refused));
      setBusy(false);
    }
  }

  return (
    <form className="card" onSubmit={save} aria-labelledby={title}>
      <h2 id={title}>{domain ? `Edit ${domain.name}` : "New domain"}</h2>
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
      <Field label="Instruction" name="systemPrompt" refusal={refusal}>
        {(aria) => (
          <textarea
            {...aria}
            rows={5}
            value={systemPrompt}
            placeholder="What the assistant is told before every conversation"
            onChange={(event) => setSystemPrompt(event.target.value)}
          />
        )}
      </Field>
      <Field label="Model" name="model" refusal={refusal}>
        {(aria) => (
          <input
            {...aria}
            value={model}
            placeholder="The server's default"
            onChange={(event) => setModel(event.target.value)}
          />
        )}
      </Field>
      <Servers servers={servers} refusal={refusal} onChange={setServers} />
      {domain && <p className="hint">Conversations that have started keep the configuration that they started with.</p>}
      <Refused refusal={refusal} shown={FIELDS} />
      <menu>
        <button type="button" onClick={onDone}>
          Cancel
        </button>
        <button type="submit" className="primary" disabled={busy || !name.trim()}>
          {domain ? "Save" : "Create"}
        </button>
      </menu>
    </form>
  );
}
