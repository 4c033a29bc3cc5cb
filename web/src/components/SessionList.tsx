import { useAssistantSessions } from "../hooks/useAssistantSessions";
import { activity } from "../lib/activity";
import { addressOf } from "../lib/route";
import { useStore } from "../lib/store";
import { When } from "./When";

const SAID = { writing: "a reply is being written", unseen: "new reply" };

/** The person's sessions, the latest activity first. */
export function SessionList({ current }: { current: string | null }) {
  const { sessions, more, loadMore } = useAssistantSessions();
  const goings = useStore(activity);
  if (sessions === undefined) return null;
  return (
    <>
      {sessions.length === 0 && <p className="hint">No sessions yet.</p>}
      <ul>
        {sessions.map(({ sessionId, name, status, lastActivity }) => {
          const going = goings.get(sessionId);
          return (
            <li key={sessionId}>
              <a
                href={addressOf(sessionId)}
                aria-current={sessionId === current ? "page" : undefined}
                data-status={status}
              >
                <span className="name">{name}</span>
                {going && (
                  <span className="going" data-going={going}>
                    <span className="spoken">, {SAID[going]}</span>
                  </span>
                )}
                <span className="about">{status === "terminated" ? "Ended" : <When at={lastActivity} />}</span>
              </a>
            </li>
          );
        })}
      </ul>
      {more && (
        <button type="button" className="link" onClick={loadMore}>
          Show older sessions
        </button>
      )}
    </>
  );
}
