import { useMutation } from "convex/react";
import { Plus, X } from "lucide-react";
import { type FormEvent, useId, useState } from "react";
import { api } from "../generated/api";
import { explain } from "../lib/explain";
import type { DomainView } from "./Domains";

interface Server {
  name: string;
  url: string;
  /** The name of a secret that the operator keeps; never the secret. */
  secret: string;
}

/** A new domain, or a change of one. What the server refuses is said with its field. */
export function DomainForm({ domain, onDone }: { domain?: DomainView; onDone: () => void }) {
  const create = useMutation(api.domains.create);
  const update = useMutation(api.domains.update);
  const [name, setName] = useState(domain?.name ?? "");
  const [systemPrompt, setSystemPrompt] = useState(domain?.systemPrompt ?? "");
  const [model, setModel] = useState(domain?.model ?? "");
  const [servers, setServers] = useState<Server[]>(
    () =>
      domain?.mcpServers
        .filter(({ url }) => url)
        .map((each) => ({ name: each.name, url: each.url ?? "", secret: each.authorization?.secret ?? "" })) ?? [],
  );
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const title = useId();

  async function save(event: FormEvent) {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    const programs = domain?.mcpServers.filter(({ command }) => command) ?? [];
    const mcpServers = Object.fromEntries([
      ...programs.map((each) => [each.name, { command: each.command, args: each.args ?? [] }]),
      ...servers.map(({ name, url, secret }) => [name, secret ? { url, authorization: { secret } } : { url }]),
    ]);
    const told = { name: name.trim(), systemPrompt, mcpServers, ...(model.trim() && { model: model.trim() }) };
    try {
      await (domain ? update({ domainId: domain.domainId, ...told }) : create(told));
      onDone();
    } catch (refused) {
      setProblem(explain(refused));
      setBusy(false);
    }
  }

  const change = (at: number, part: Partial<Server>) =>
    setServers(servers.map((each, here) => (here === at ? { ...each, ...part } : each)));

  return (
    <form className="card" onSubmit={save} aria-labelledby={title}>
      <h2 id={title}>{domain ? `Edit ${domain.name}` : "New domain"}</h2>
      <label>
        Name
        <input value={name} required maxLength={100} onChange={(event) => setName(event.target.value)} />
      </label>
      <label>
        Instruction
        <textarea
          rows={5}
          value={systemPrompt}
          placeholder="What the assistant is told before every conversation"
          onChange={(event) => setSystemPrompt(event.target.value)}
        />
      </label>
      <label>
        Model
        <input value={model} placeholder="The server's default" onChange={(event) => setModel(event.target.value)} />
      </label>
      <fieldset>
        <legend>Servers of tools (MCP)</legend>
        {servers.map((server, at) => (
          // rows are told apart by their place only
          <div className="row" key={at}>
            <input
              aria-label={`Name of server ${at + 1}`}
              placeholder="Name"
              required
              value={server.name}
              onChange={(event) => change(at, { name: event.target.value })}
            />
            <input
              aria-label={`Address of server ${at + 1}`}
              placeholder="https://…"
              required
              value={server.url}
              onChange={(event) => change(at, { url: event.target.value })}
            />
            <input
              aria-label={`Secret of server ${at + 1}`}
              placeholder="Secret's name"
              value={server.secret}
              onChange={(event) => change(at, { secret: event.target.value })}
            />
            <button
              type="button"
              className="icon"
              aria-label={`Remove server ${at + 1}`}
              onClick={() => setServers(servers.filter((_, here) => here !== at))}
            >
              <X aria-hidden="true" size={16} />
            </button>
          </div>
        ))}
        <button
          type="button"
          className="small"
          onClick={() => setServers([...servers, { name: "", url: "", secret: "" }])}
        >
          <Plus aria-hidden="true" size={14} /> Add a server
        </button>
      </fieldset>
      {domain && <p className="hint">Conversations that have started keep the configuration that they started with.</p>}
      {problem && (
        <p role="alert" className="problem">
          {problem}
        </p>
      )}
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
