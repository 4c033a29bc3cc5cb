import { LogOut, SquarePen } from "lucide-react";
import { nameOf, type Person, signOut } from "../lib/identity";
import { HOME, NEW } from "../lib/route";
import { ConnectionState } from "./ConnectionState";
import { SessionList } from "./SessionList";
import { ThemeSwitch } from "./ThemeSwitch";

/** The sessions, the way to a new one, and who is signed in. */
export function Sidebar({ who, current, confirmed }: { who: Person; current: string | null; confirmed: boolean }) {
  const { name, org } = nameOf(who);
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
      {confirmed ? <SessionList current={current} /> : <div className="sessions" aria-busy="true" />}
      <footer>
        <span className="who" title={org ? `${name}, ${org}` : name}>
          <b>{name}</b> {org}
        </span>
        <ThemeSwitch />
        <button type="button" className="icon" onClick={signOut} aria-label="Sign out" title="Sign out">
          <LogOut aria-hidden="true" size={17} />
        </button>
      </footer>
    </nav>
  );
}
