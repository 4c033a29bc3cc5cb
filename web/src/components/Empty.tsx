import type { ReactNode } from "react";

/** A pane with nothing in it yet: what would be here, and what it is good for. */
export function Empty({ title, children }: { title: string; children: ReactNode }) {
  return (
    <div className="centre empty">
      <h2>{title}</h2>
      <p className="hint">{children}</p>
    </div>
  );
}
