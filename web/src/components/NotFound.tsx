import { NEW } from "../lib/route";
import { PaneHeader } from "./PaneHeader";

/** The same for a session that never was, one that is gone, and another person's. */
export function NotFound() {
  return (
    <main className="pane">
      <PaneHeader title="Session not found" />
      <div className="centre">
        <h2>There is no such session</h2>
        <p className="hint">It may belong to somebody else, or the address may be incomplete.</p>
        <a className="button" href={NEW}>
          Start a new session
        </a>
      </div>
    </main>
  );
}
