import { words } from "../lib/tools";

const isEntry = (entry: unknown): entry is { content?: unknown; status?: unknown } =>
  typeof entry === "object" && entry !== null;

/** What an agent means to do, step by step. */
export function Plan({ part }: { part: { entries?: unknown } }) {
  const entries = Array.isArray(part.entries) ? part.entries.filter(isEntry) : [];
  return (
    <ol className="plan" aria-label="Plan">
      {entries.map((entry, at) => (
        // a plan is told anew as a whole
        <li key={at} data-state={words(entry.status)}>
          {words(entry.content)} <span className="spoken">{words(entry.status).replace("_", " ")}</span>
        </li>
      ))}
    </ol>
  );
}
