import { ChevronLeft } from "lucide-react";
import type { ReactNode } from "react";
import { HOME } from "../lib/route";
import { ConnectionState } from "./ConnectionState";

/** The head of the right side. On a phone it leads back to the list, and shows the connection. */
export function PaneHeader({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <header className="pane-header">
      <a className="icon back" href={HOME} aria-label="All sessions">
        <ChevronLeft aria-hidden="true" size={22} />
      </a>
      <h1>{title}</h1>
      <ConnectionState />
      {children}
    </header>
  );
}
