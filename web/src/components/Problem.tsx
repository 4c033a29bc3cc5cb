import type { ReactNode } from "react";

/** What went wrong, told at once to who hears the page. Nothing without a text. */
export function Problem({ id, children }: { id?: string; children: ReactNode }) {
  return children ? (
    <p role="alert" className="problem" id={id}>
      {children}
    </p>
  ) : null;
}
