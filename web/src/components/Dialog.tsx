import { X } from "lucide-react";
import { type ReactNode, useEffect, useId, useRef } from "react";
import { createPortal } from "react-dom";

interface Props {
  title: string;
  /** A wide one, with a button that closes it beside its title; without it the content holds the way out. */
  wide?: boolean;
  busy?: boolean;
  /** It was closed: by Escape, by a `method="dialog"` form in it, or by its button. */
  onClose: () => void;
  children: ReactNode;
}

/** A modal dialog, open for as long as it is mounted. The browser keeps the focus in it and gives it back. */
export function Dialog({ title, wide = false, busy = false, onClose, children }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();

  useEffect(() => {
    if (!dialog.current?.open) dialog.current?.showModal();
  }, []);

  // at the end of the page, so that what a card or a header looks like says nothing about a dialog in it
  return createPortal(
    <dialog
      ref={dialog}
      className={wide ? "settings" : undefined}
      aria-labelledby={id}
      aria-busy={busy}
      onClose={onClose}
    >
      <header>
        <h2 id={id}>{title}</h2>
        {wide && (
          <button type="button" className="icon" onClick={() => dialog.current?.close()} aria-label="Close">
            <X aria-hidden="true" size={18} />
          </button>
        )}
      </header>
      {children}
    </dialog>,
    document.body,
  );
}
