import { Check, Copy } from "lucide-react";
import { useEffect, useState } from "react";

const SHOWN_MS = 1600;

/** Copies a text, and says whether that worked: only secure pages have a clipboard. */
export function CopyButton({ text, label }: { text: string; label: string }) {
  const [done, setDone] = useState<"Copied" | "Not allowed" | null>(null);

  useEffect(() => {
    if (done === null) return;
    const timer = setTimeout(() => setDone(null), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [done]);

  async function copy() {
    try {
      await navigator.clipboard.writeText(text);
      setDone("Copied");
    } catch {
      setDone("Not allowed"); // no clipboard on this page, or the person said no
    }
  }

  return (
    <button type="button" className="small" onClick={copy} aria-label={label} title={label}>
      {done === "Copied" ? <Check aria-hidden="true" size={14} /> : <Copy aria-hidden="true" size={14} />}
      <span role="status">{done ?? ""}</span>
    </button>
  );
}
