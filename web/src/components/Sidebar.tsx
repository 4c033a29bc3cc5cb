import { CalendarClock, Laptop, LayoutTemplate, ListTodo, LogOut, SquarePen } from "lucide-react";
import { useRef, useState } from "react";
import { nameOf, type Person, signOut } from "../lib/identity";
import { DOMAINS, HOME, MACHINES, NEW, type Route, SCHEDULES, TASKS } from "../lib/route";
import { ConnectionState } from "./ConnectionState";
import { Notifications } from "./Notifications";
import { SearchBox } from "./SearchBox";
import { SearchResults } from "./SearchResults";
import { SessionList } from "./SessionList";
import { ThemeSwitch } from "./ThemeSwitch";
import { Undecided } from "./Undecided";

interface Props {
  who: Person;
  /** The session that is shown. */
  current: string | null;
  view: Route["view"];
  confirmed: boolean;
}

/** The sessions, the way to a new one, and who is signed in. */
export function Sidebar({ who, current, view, confirmed }: Props) {
  const { name, org } = nameOf(who);
  const [query, setQuery] = useState("");
  const results = useRef<HTMLDivElement>(null);
  const searching = query.trim() !== "";
  return (
    <nav className="sidebar" aria-label="Sessions">
      <header>
        <a className="brand" href={HOME}>
          <img src="/favicon.svg" alt="" width="22" height="22" />
          Concave
        </a>
        <ConnectionState />
      </header>
      <a className="button new" href={NEW}>
        <SquarePen aria-hidden="true" size={17} />
        New session
      </a>
      <SearchBox query={query} setQuery={setQuery} results={results} />
      <div className="places" hidden={searching}>
        <a href={DOMAINS} aria-current={view === "domains" ? "page" : undefined}>
          <LayoutTemplate aria-hidden="true" size={16} /> Domains
        </a>
        <a href={TASKS} aria-current={view === "tasks" ? "page" : undefined}>
          <ListTodo aria-hidden="true" size={16} /> Tasks
        </a>
        <a href={SCHEDULES} aria-current={view === "schedules" ? "page" : undefined}>
          <CalendarClock aria-hidden="true" size={16} /> Schedules
        </a>
        <a href={MACHINES} aria-current={view === "machines" ? "page" : undefined}>
          <Laptop aria-hidden="true" size={16} /> Machines
        </a>
      </div>
      {confirmed && !searching && <Undecided />}
      <div className="sessions" ref={results} aria-busy={!confirmed}>
        {confirmed && searching && <SearchResults query={query} current={current} setQuery={setQuery} />}
        {confirmed && !searching && <SessionList current={current} />}
      </div>
      <footer>
        <span className="who" title={org ? `${name}, ${org}` : name}>
          <b>{name}</b> {org}
        </span>
        <Notifications confirmed={confirmed} />
        <ThemeSwitch />
        <button type="button" className="icon" onClick={signOut} aria-label="Sign out" title="Sign out">
          <LogOut aria-hidden="true" size={17} />
        </button>
      </footer>
    </nav>
  );
}
