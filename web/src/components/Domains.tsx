import { useMutation, useQuery } from "convex/react";
import type { FunctionReturnType } from "convex/server";
import { MessageSquarePlus, Pencil, Plus, Trash2 } from "lucide-react";
import { useState } from "react";
import { api } from "../generated/api";
import { explain } from "../lib/explain";
import { addressOf, go } from "../lib/route";
import { DomainForm } from "./DomainForm";
import { PaneHeader } from "./PaneHeader";

export type DomainView = FunctionReturnType<typeof api.domains.list>[number];

/** Templates of conversations: an instruction, a model, servers of tools. A conversation takes a copy when it starts (seed 000). */
export function Domains() {
  const domains = useQuery(api.domains.list, {});
  const start = useMutation(api.domains.startConversation);
  const remove = useMutation(api.domains.delete);
  const [editing, setEditing] = useState<string | null>(null);
  const [problem, setProblem] = useState<string | null>(null);

  async function attempt(work: () => Promise<unknown>) {
    setProblem(null);
    try {
      await work();
    } catch (refused) {
      setProblem(explain(refused));
    }
  }

  return (
    <main className="pane" aria-busy={domains === undefined}>
      <PaneHeader title="Domains">
        <button type="button" onClick={() => setEditing("new")} disabled={editing === "new"}>
          <Plus aria-hidden="true" size={16} /> New domain
        </button>
      </PaneHeader>
      <div className="scroller">
        <div className="column cards">
          {problem && (
            <p role="alert" className="problem">
              {problem}
            </p>
          )}
          {editing === "new" && <DomainForm onDone={() => setEditing(null)} />}
          {domains?.length === 0 && editing !== "new" && (
            <p className="hint">
              A domain is a template: what the assistant is told, which model answers, which tools it may use. Each
              conversation takes a copy when it starts.
            </p>
          )}
          {domains?.map((domain) =>
            editing === domain.domainId ? (
              <DomainForm key={domain.domainId} domain={domain} onDone={() => setEditing(null)} />
            ) : (
              <article className="card" key={domain.domainId} aria-label={domain.name}>
                <h2>{domain.name}</h2>
                <p className="hint excerpt">{domain.systemPrompt ?? "The usual instruction."}</p>
                {domain.mcpServers.length > 0 && (
                  <p className="hint">Tools: {domain.mcpServers.map(({ name }) => name).join(", ")}</p>
                )}
                <menu>
                  <button
                    type="button"
                    className="primary"
                    onClick={() =>
                      attempt(async () => go(addressOf((await start({ domainId: domain.domainId })).sessionId)))
                    }
                  >
                    <MessageSquarePlus aria-hidden="true" size={16} /> New chat
                  </button>
                  <button type="button" onClick={() => setEditing(domain.domainId)}>
                    <Pencil aria-hidden="true" size={15} /> Edit
                  </button>
                  <button
                    type="button"
                    className="quiet"
                    aria-label={`Delete ${domain.name}`}
                    onClick={() => {
                      if (confirm(`Delete the domain “${domain.name}”? Its conversations stay.`)) {
                        void attempt(() => remove({ domainId: domain.domainId }));
                      }
                    }}
                  >
                    <Trash2 aria-hidden="true" size={15} />
                  </button>
                </menu>
              </article>
            ),
          )}
        </div>
      </div>
    </main>
  );
}
