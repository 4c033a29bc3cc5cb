import { useEffect, useState } from "react";
import type { Person } from "../lib/identity";
import { useRoute } from "../lib/route";
import { Boundary } from "./Boundary";
import { Chat } from "./Chat";
import { Domains } from "./Domains";
import { Machines } from "./Machines";
import { NewChat } from "./NewChat";
import { NewChatOn } from "./NewChatOn";
import { Schedules } from "./Schedules";
import { Sidebar } from "./Sidebar";
import { Tasks } from "./Tasks";

/** Sessions visited last stay live, so that a reply goes on in view of the list and coming back is immediate. */
const KEPT = 4;

/** The sessions to keep, the latest visit first. */
function useVisited(current: string | null): readonly string[] {
  const [visited, setVisited] = useState<readonly string[]>([]);
  if (current !== null && visited[0] !== current) {
    const next = [current, ...visited.filter((each) => each !== current)].slice(0, KEPT);
    setVisited(next);
    return next;
  }
  return visited;
}

/** List and conversation, side by side; on a phone one of the two. */
export function Frame({ who, confirmed }: { who: Person; confirmed: boolean }) {
  const route = useRoute();
  const current = route.view === "session" ? route.sessionId : null;
  const settings = route.view === "session" && route.settings;
  const worker = route.view === "new" ? route.worker : null;
  const visited = useVisited(current);

  useEffect(() => {
    if (route.view !== "session") document.title = "Concave";
  }, [route.view]);

  return (
    <div className="frame" data-view={route.view}>
      <Sidebar who={who} current={current} view={route.view} confirmed={confirmed} />
      {confirmed && route.view === "domains" && <Domains />}
      {confirmed && route.view === "tasks" && <Tasks />}
      {confirmed && route.view === "schedules" && <Schedules open={route.open} />}
      {confirmed && route.view === "machines" && <Machines />}
      {confirmed && worker !== null && <NewChatOn workerId={worker} />}
      {(route.view === "home" || (route.view === "new" && worker === null)) && <NewChat />}
      {confirmed
        ? [...visited].sort().map((sessionId) => (
            <Boundary key={sessionId} hidden={sessionId !== current}>
              <Chat
                sessionId={sessionId}
                shown={sessionId === current}
                settings={settings && sessionId === current}
              />
            </Boundary>
          ))
        : current !== null && (
            <main className="pane" aria-busy="true">
              <p className="centre hint">Connecting…</p>
            </main>
          )}
    </div>
  );
}
