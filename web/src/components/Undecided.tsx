import { useQuery } from "convex/react";
import { ShieldQuestion } from "lucide-react";
import { api } from "../lib/api";
import { addressOf } from "../lib/route";

/** What waits for the person's decision, wherever it was asked: each leads to its chat. */
export function Undecided() {
  const waiting = useQuery(api.permissions.waiting, {});
  if (!waiting?.length) return null;
  return (
    <section className="places undecided" aria-label="Needs your decision">
      {waiting.map(({ requestId, sessionId, title }) => (
        <a key={requestId} href={addressOf(sessionId)}>
          <ShieldQuestion aria-hidden="true" size={16} /> <span className="name">{title}</span>
        </a>
      ))}
    </section>
  );
}
