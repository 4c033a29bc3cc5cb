import type { ConvexReactClient } from "convex/react";
import { Activity, Archive, BookOpen, Clock, Database, FunctionSquare, House, MessagesSquare, Plug, Radio, ScrollText, Settings2 } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { Boundary } from "./Boundary";
import { usePolled } from "./calls";
import { Api } from "./panes/Api";
import { Backup } from "./panes/Backup";
import { Chats } from "./panes/Chats";
import { Data } from "./panes/Data";
import { Functions } from "./panes/Functions";
import { Home } from "./panes/Home";
import { Jobs } from "./panes/Jobs";
import { Logs } from "./panes/Logs";
import { Operators } from "./panes/Operators";
import { Settings } from "./panes/Settings";
import { Sync } from "./panes/Sync";
import { type Acting, actAs, openSession, type Session } from "./session";

const PANES = [
  { name: "home", title: "Home", icon: House, pane: Home },
  { name: "data", title: "Data", icon: Database, pane: Data },
  { name: "functions", title: "Functions", icon: FunctionSquare, pane: Functions },
  { name: "logs", title: "Logs", icon: ScrollText, pane: Logs },
  { name: "sync", title: "Sync", icon: Radio, pane: Sync },
  { name: "jobs", title: "Jobs", icon: Clock, pane: Jobs },
  { name: "chats", title: "Chats", icon: MessagesSquare, pane: Chats },
  { name: "operators", title: "Operators", icon: Activity, pane: Operators },
  { name: "settings", title: "Settings", icon: Settings2, pane: Settings },
  { name: "backup", title: "Backup", icon: Archive, pane: Backup },
  { name: "api", title: "API", icon: Plug, pane: Api },
] as const;

/** What every pane is given. */
export interface PaneProps {
  session: Session;
  acting: Acting;
  /** The part of the address behind the pane's name. */
  rest: string;
}

function useHash(): string {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const changed = () => setHash(location.hash);
    addEventListener("hashchange", changed);
    return () => removeEventListener("hashchange", changed);
  }, []);
  return hash.replace(/^#\/?/, "");
}

/** A part of the address, which anybody may have written. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export function App({ client }: { client: ConvexReactClient }) {
  const [session, setSession] = useState<Session | null>();
  const [problem, setProblem] = useState("");
  const [acting, setActing] = useState<Acting>(() => ({ org: sessionStorage.getItem("org") ?? undefined }));

  useEffect(() => {
    let timer: ReturnType<typeof setTimeout>;
    const open = async () => {
      try {
        const opened = await openSession();
        setSession(opened);
        if (opened) timer = setTimeout(open, Math.max(60_000, opened.expires - Date.now() - 300_000));
      } catch (error) {
        setProblem(String(error));
        timer = setTimeout(open, 5_000);
      }
    };
    void open();
    return () => clearTimeout(timer);
  }, []);

  if (session === undefined) return <p className="alone">{problem || "Opening…"}</p>;
  if (session === null) {
    return (
      <main className="alone">
        <h1>This browser has no key</h1>
        <p>
          Open the link that the server has printed at its start, or make one with <code>concave dashboard</code>. A link works
          once.
        </p>
      </main>
    );
  }
  actAs(client, session, acting);
  return <Signed key={acting.org ?? ""} session={session} acting={acting} onActing={setActing} />;
}

function Signed({ session, acting, onActing }: { session: Session; acting: Acting; onActing: (acting: Acting) => void }) {
  const [name = "home", ...parts] = useHash().split("/");
  const rest = parts.map(decoded).join("/");
  const content = useRef<HTMLElement>(null);
  const panes = useRef<HTMLElement>(null);
  const shown = PANES.find((each) => each.name === name) ?? PANES[0];
  const orgs = usePolled<string[]>("overview:orgs", {}, 30_000);
  const choose = (org: string) => {
    if (org) sessionStorage.setItem("org", org);
    else sessionStorage.removeItem("org");
    onActing({ org: org || undefined });
  };
  useEffect(() => {
    document.title = `${shown.title} · Concave`;
    panes.current?.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" }); // a phone's row of panes is wider than it
  }, [shown.title]);
  const known = [...new Set([...(orgs.value ?? []), ...(acting.org ? [acting.org] : [])])];
  return (
    <div className={session.stage ? "dash stage" : "dash"}>
      <a
        className="skip"
        href="#content"
        onClick={(event) => {
          event.preventDefault(); // what stands behind the # is the pane's name
          content.current?.focus();
        }}
      >
        Skip to the content
      </a>
      <header className="top">
        <strong>Concave</strong>
        <span className="where">{session.stage ?? "development"}</span>
        {session.role === "read" && <span className="where">read only</span>}
        <label>
          Org
          <select value={acting.org ?? ""} onChange={(event) => choose(event.target.value)}>
            <option value="">of callers without a token</option>
            {known
              .filter((org) => org !== "_public")
              .map((org) => (
                <option key={org}>{org}</option>
              ))}
          </select>
        </label>
      </header>
      <nav className="panes" aria-label="Panes" ref={panes}>
        {PANES.map(({ name: path, title, icon: Icon }) => (
          <a key={path} href={`#/${path}`} aria-current={path === shown.name ? "page" : undefined}>
            <Icon aria-hidden="true" size={16} />
            <span>{title}</span>
          </a>
        ))}
        <a href="/docs">
          <BookOpen aria-hidden="true" size={16} />
          <span>Guides</span>
        </a>
      </nav>
      <main id="content" className="pane" tabIndex={0} ref={content}>
        <Boundary key={`${shown.name}/${rest}`}>
          <shown.pane session={session} acting={acting} rest={rest} />
        </Boundary>
      </main>
    </div>
  );
}
