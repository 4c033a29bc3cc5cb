import { type ReactNode, useId } from "react";
import type { Refusal } from "../lib/explain";
import { Problem } from "./Problem";

interface Aria {
  "aria-invalid": true | undefined;
  "aria-describedby": string | undefined;
}

interface Props {
  label: string;
  /** The server's name of it. */
  name: string;
  refusal: Refusal | null;
  hint?: ReactNode;
  /** A control of the same line that is not the field. */
  beside?: ReactNode;
  children: (aria: Aria) => ReactNode;
}

/** A field with its name; what the server refuses about it is said below it, and to who hears the page. */
export function Field({ label, name, refusal, hint, beside, children }: Props) {
  const id = useId();
  const refused = refusal?.field === name ? refusal.text : null;
  const told = [refused && `${id}-refused`, hint && `${id}-hint`].filter(Boolean).join(" ");
  return (
    <div className="field">
      <div className="line">
        <label>
          {label}
          {children({ "aria-invalid": refused ? true : undefined, "aria-describedby": told || undefined })}
        </label>
        {beside}
      </div>
      <Problem id={`${id}-refused`}>{refused}</Problem>
      {hint && (
        <div className="hint" id={`${id}-hint`}>
          {hint}
        </div>
      )}
    </div>
  );
}

/** What was refused and belongs to none of these fields. */
export function Refused({ refusal, shown }: { refusal: Refusal | null; shown: readonly string[] }) {
  if (!refusal || shown.some((each) => refusal.field === each || refusal.field?.startsWith(`${each}.`))) return null;
  return <Problem>{refusal.text}</Problem>;
}
