import { useMutation, useQuery } from "convex/react";
import { ShieldQuestion } from "lucide-react";
import { useAttempt } from "../hooks/useAttempt";
import { api } from "../lib/api";
import { words } from "../lib/tools";
import type { PermissionView } from "../lib/views";
import { Diff } from "./Diff";
import { Problem } from "./Problem";
import { Moment } from "./When";

/**
 * What the agent of a session asks for: each question is a card until it is decided.
 *
 * @param reply the newest one: what its last question came to stays to be seen.
 */
export function PermissionCards({ sessionId, reply }: { sessionId: string; reply: string | undefined }) {
  const asked = useQuery(api.permissions.list, { sessionId });
  const open = asked?.filter(({ state }) => state === "open") ?? [];
  const last = asked?.findLast(({ state, messageId }) => state !== "open" && messageId === reply);
  return (
    <div className="permissions" role="status">
      {open.map((request) => (
        <Card key={request.requestId} request={request} />
      ))}
      {last && <p className="hint">{outcome(last)}</p>}
    </div>
  );
}

function Card({ request }: { request: PermissionView }) {
  const decide = useMutation(api.permissions.decide);
  const { problem, attempt } = useAttempt();
  const { requestId, tool, title, options, expiresAt } = request;
  const input = words(request.input);
  const change = changeIn(request.input);
  return (
    <section className="card permission" aria-label={`The agent asks: ${title}`}>
      <h2>
        <ShieldQuestion aria-hidden="true" size={17} /> The agent wants to use <code>{tool}</code>
      </h2>
      <p>{title}</p>
      {change && <Diff text={change} />}
      {input && (
        <details>
          <summary>Everything that it is given</summary>
          <pre tabIndex={0}>{input}</pre>
        </details>
      )}
      <Problem>{problem}</Problem>
      <menu>
        {options.map(({ optionId, kind, name }) => (
          <button
            key={optionId}
            type="button"
            className={kind === "allow_once" ? "primary" : undefined}
            onClick={() => void attempt(() => decide({ requestId, optionId }))}
          >
            {NAMES[kind] ?? name}
          </button>
        ))}
      </menu>
      <p className="hint">
        Without an answer it is denied at <Moment at={expiresAt} />.
      </p>
    </section>
  );
}

/** The diff that an agent asks with, where there is one. */
const changeIn = (input: unknown) =>
  typeof input === "object" && input !== null && "diff" in input && typeof input.diff === "string" ? input.diff : "";

const NAMES: Record<string, string> = {
  allow_once: "Allow once",
  allow_always: "Allow for this session",
  reject_once: "Deny",
};

/** What the last question came to. */
function outcome({ tool, state, decidedBy }: PermissionView): string {
  if (state === "allowed") return `${tool}: allowed by ${decidedBy ?? "you"}.`;
  if (state === "denied") return `${tool}: denied by ${decidedBy ?? "you"}.`;
  if (state === "expired") return `${tool}: nobody answered in time, so it was denied.`;
  return `${tool}: not needed any more.`;
}
