import { type ReactNode, useState } from "react";
import { Dialog } from "./Dialog";

interface Props {
  /** What is asked, and what it means. */
  question: string;
  consequence: string;
  /** The word on the button that does it. */
  verb: string;
  onConfirm: () => void;
  /** The name of the button that asks, where `children` are no words. */
  label?: string;
  children: ReactNode;
}

/** A button for what cannot be undone: it asks first. */
export function Confirm({ question, consequence, verb, onConfirm, label, children }: Props) {
  const [asking, setAsking] = useState(false);
  return (
    <>
      <button type="button" className="quiet" aria-label={label} onClick={() => setAsking(true)}>
        {children}
      </button>
      {asking && (
        <Dialog title={question} onClose={() => setAsking(false)}>
          <p>{consequence}</p>
          <form method="dialog">
            <menu>
              <button type="submit">Keep it</button>
              <button type="submit" className="danger" onClick={onConfirm}>
                {verb}
              </button>
            </menu>
          </form>
        </Dialog>
      )}
    </>
  );
}
