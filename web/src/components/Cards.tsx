import type { ReactNode } from "react";
import { PaneHeader } from "./PaneHeader";
import { Problem } from "./Problem";

interface Props {
  title: string;
  /** The way to a new one. */
  action?: ReactNode;
  loading: boolean;
  problem: string | null;
  children: ReactNode;
}

/** A pane of cards in one column; above them what went wrong last. */
export function Cards({ title, action, loading, problem, children }: Props) {
  return (
    <main className="pane" aria-busy={loading}>
      <PaneHeader title={title}>{action}</PaneHeader>
      <div className="scroller">
        <div className="column cards">
          <Problem>{problem}</Problem>
          {children}
        </div>
      </div>
    </main>
  );
}
