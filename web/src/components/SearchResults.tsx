import { useAssistantSessions } from "../hooks/useAssistantSessions";
import { useSearch } from "../hooks/useSearch";
import { addressOf } from "../lib/route";
import type { Piece, SessionHit } from "../lib/views";
import { When } from "./When";

const SPEAKERS = { user: "You", assistant: "Reply", system: "System", tool: "Tool" };

/** What a search has found, best first, with the words marked. */
export function SearchResults({
  query,
  current,
  setQuery,
}: {
  query: string;
  current: string | null;
  setQuery: (query: string) => void;
}) {
  const { hits, settled } = useSearch(query);
  const none = settled && hits?.length === 0;
  return (
    <>
      <p className="spoken" role="status">
        {settled && hits ? `${hits.length} ${hits.length === 1 ? "session" : "sessions"} found.` : ""}
      </p>
      {none ? (
        <Nothing query={query} setQuery={setQuery} />
      ) : (
        <ul className="found" aria-busy={!settled}>
          {hits?.map((each) => (
            <Hit key={each.session.sessionId} hit={each} current={current} />
          ))}
        </ul>
      )}
    </>
  );
}

function Hit({ hit: { session, name, messages }, current }: { hit: SessionHit; current: string | null }) {
  return (
    <li>
      <a
        href={addressOf(session.sessionId)}
        aria-current={session.sessionId === current ? "page" : undefined}
        data-status={session.status}
      >
        <span className="name">
          <Marked pieces={name} />
        </span>
        <span className="about">
          <When at={session.lastActivity} />
        </span>
        {messages.map(({ messageId, role, excerpt }) => (
          <span key={messageId} className="excerpt">
            <b>{SPEAKERS[role]}:</b> <Marked pieces={excerpt} />
          </span>
        ))}
      </a>
    </li>
  );
}

function Marked({ pieces }: { pieces: Piece[] }) {
  // The pieces of a text are as many as they are and in its order: their places are their keys.
  return pieces.map(({ text, found }, place) => (found ? <mark key={place}>{text}</mark> : text));
}

/** Nobody guesses what a search takes: an example of the person's own says it. */
function Nothing({ query, setQuery }: { query: string; setQuery: (query: string) => void }) {
  const { sessions } = useAssistantSessions();
  const example = sessions
    ?.map(({ name }) => ({ name, word: /^[\p{L}\p{N}]{4,}/u.exec(name)?.[0].slice(0, 4) }))
    .find(({ word }) => word !== undefined);
  return (
    <div className="hint nothing">
      <p>No session has “{query.trim()}” in its name or in one message.</p>
      <p>All the words are looked for; of the last one its beginning is enough.</p>
      {example?.word && (
        <p>
          For example{" "}
          <button type="button" className="link" onClick={() => setQuery(example.word ?? "")}>
            {example.word}
          </button>{" "}
          finds “{example.name}”.
        </p>
      )}
    </div>
  );
}
