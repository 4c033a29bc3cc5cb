import { Search, X } from "lucide-react";
import { type KeyboardEvent, type RefObject, useEffect, useRef } from "react";
import { LONGEST_QUERY } from "../hooks/useSearch";

interface Props {
  query: string;
  setQuery: (query: string) => void;
  /** What the arrows move through: the links inside. */
  results: RefObject<HTMLDivElement | null>;
}

const writes = (element: Element | null) =>
  element instanceof HTMLElement && (element.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(element.tagName));

/**
 * Where one searches. `/` comes here from anywhere, the arrows go through what was found, Enter opens the first or the
 * one that is reached, and Escape ends the search and gives the focus back to where it was.
 */
export function SearchBox({ query, setQuery, results }: Props) {
  const box = useRef<HTMLInputElement>(null);
  const before = useRef<HTMLElement | null>(null);

  useEffect(() => {
    function come(event: globalThis.KeyboardEvent) {
      const field = box.current;
      if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || writes(document.activeElement)) return;
      if (!field || field.offsetParent === null || document.querySelector("dialog[open]")) return;
      event.preventDefault();
      field.focus();
      field.select();
    }
    addEventListener("keydown", come);
    return () => removeEventListener("keydown", come);
  }, []);

  function leave() {
    setQuery("");
    if (before.current?.isConnected) before.current.focus();
    else box.current?.blur();
  }

  function move(event: KeyboardEvent) {
    const links = [...(results.current?.querySelectorAll("a") ?? [])];
    if (event.key === "Escape" && !event.nativeEvent.isComposing) {
      event.preventDefault();
      leave();
    } else if (event.key === "ArrowDown" && links[0]) {
      event.preventDefault();
      links[0].focus();
    } else if (event.key === "Enter" && !event.nativeEvent.isComposing) {
      links[0]?.click();
    }
  }

  useEffect(() => {
    const list = results.current;
    if (!list) return;
    function along(event: globalThis.KeyboardEvent) {
      const links = [...(list?.querySelectorAll("a") ?? [])];
      const at = links.findIndex((each) => each === document.activeElement);
      if (at < 0 || !["ArrowDown", "ArrowUp", "Home", "End", "Escape"].includes(event.key)) return;
      event.preventDefault();
      if (event.key === "Escape") leave();
      else if (event.key === "ArrowDown") links[Math.min(at + 1, links.length - 1)]?.focus();
      else if (event.key === "Home") links[0]?.focus();
      else if (event.key === "End") links.at(-1)?.focus();
      else if (at === 0) box.current?.focus();
      else links[at - 1]?.focus();
    }
    list.addEventListener("keydown", along);
    return () => list.removeEventListener("keydown", along);
  });

  return (
    <search className="search">
      <Search aria-hidden="true" size={16} />
      <input
        ref={box}
        type="text"
        inputMode="search"
        enterKeyHint="search"
        autoComplete="off"
        spellCheck={false}
        aria-label="Search sessions"
        aria-keyshortcuts="/"
        placeholder="Search"
        maxLength={LONGEST_QUERY}
        value={query}
        onChange={(event) => setQuery(event.target.value)}
        onKeyDown={move}
        onFocus={({ relatedTarget }) => {
          const from = relatedTarget instanceof HTMLElement ? relatedTarget : null;
          if (!from || !results.current?.contains(from)) before.current = from;
        }}
      />
      {query === "" ? (
        <kbd aria-hidden="true">/</kbd>
      ) : (
        <button type="button" className="icon" aria-label="End the search" title="End the search" onClick={leave}>
          <X aria-hidden="true" size={15} />
        </button>
      )}
    </search>
  );
}
