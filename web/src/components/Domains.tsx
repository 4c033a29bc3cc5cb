import { useMutation, useQuery } from "convex/react";
import { MessageSquarePlus, Pencil, Plus, Trash2 } from "lucide-react";
import { useState } from "react";
import { api } from "../lib/api";
import { type Attempt, useAttempt } from "../hooks/useAttempt";
import { addressOf, go } from "../lib/route";
import type { DomainView } from "../lib/views";
import { Cards } from "./Cards";
import { Confirm } from "./Confirm";
import { DomainForm } from "./DomainForm";
import { Empty } from "./Empty";

/** Templates of conversations: an instruction, a model, servers of tools. A conversation takes a copy when it starts. */
export function Domains() {
  const domains = useQuery(api.domains.list, {});
  const { problem, attempt } = useAttempt();
  const [editing, setEditing] = useState<string | null>(null);
  const done = () => setEditing(null);

  return (
    <Cards
      title="Domains"
      loading={domains === undefined}
      problem={problem}
      action={
        <button type="button" onClick={() => setEditing("new")} disabled={editing === "new"}>
          <Plus aria-hidden="true" size={16} /> New domain
        </button>
      }
    >
      {editing === "new" && <DomainForm onDone={done} />}
      {domains?.length === 0 && editing !== "new" && (
        <Empty title="No domains yet">
          A domain is a template: what the assistant is told, which model answers, which tools it may use. Each
          conversation takes a copy when it starts.
        </Empty>
      )}
      {domains?.map((domain) =>
        editing === domain.domainId ? (
          <DomainForm key={domain.domainId} domain={domain} onDone={done} />
        ) : (
          <Domain
            key={domain.domainId}
            domain={domain}
            attempt={attempt}
            onEdit={() => setEditing(domain.domainId)}
          />
        ),
      )}
    </Cards>
  );
}

function Domain({ domain, attempt, onEdit }: { domain: DomainView; attempt: Attempt; onEdit: () => void }) {
  const { domainId, name, systemPrompt, mcpServers } = domain;
  const start = useMutation(api.domains.startConversation);
  const remove = useMutation(api.domains.delete);
  return (
    <article className="card" aria-label={name}>
      <h2>{name}</h2>
      <p className="hint excerpt">{systemPrompt ?? "The usual instruction."}</p>
      {mcpServers.length > 0 && <p className="hint">Tools: {mcpServers.map((server) => server.name).join(", ")}</p>}
      <menu>
        <button
          type="button"
          className="primary"
          onClick={() => attempt(async () => go(addressOf((await start({ domainId })).sessionId)))}
        >
          <MessageSquarePlus aria-hidden="true" size={16} /> New chat
        </button>
        <button type="button" onClick={onEdit}>
          <Pencil aria-hidden="true" size={15} /> Edit
        </button>
        <Confirm
          label={`Delete ${name}`}
          question={`Delete the domain “${name}”?`}
          consequence="Its conversations stay."
          verb="Delete"
          onConfirm={() => attempt(() => remove({ domainId }))}
        >
          <Trash2 aria-hidden="true" size={15} />
        </Confirm>
      </menu>
    </article>
  );
}
