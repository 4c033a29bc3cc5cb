import { type RefObject, useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";

/** So near to the end counts as "at the end" (pixels). */
const NEAR = 48;

interface Anchor {
  element: Element;
  top: number;
}

/**
 * Keeps what the reader looks at where it is. At the end of the list it stays at the end while text arrives; anywhere else
 * the first visible item keeps its place, whatever is added above or below it.
 *
 * @param scroller the element that scrolls; its first child holds the items.
 * @returns whether the reader is at the end, and a way to get there.
 */
export function useAnchoredScroll(scroller: RefObject<HTMLElement | null>): { atEnd: boolean; toEnd: () => void } {
  const [atEnd, setAtEnd] = useState(true);
  const sticks = useRef(true);
  const anchor = useRef<Anchor | null>(null);

  const remember = useCallback(() => {
    const element = scroller.current;
    if (!element?.clientHeight) return; // hidden: where things are says nothing
    const top = element.getBoundingClientRect().top;
    const items = element.querySelectorAll("[data-anchor]");
    const first = [...items].find((item) => item.getBoundingClientRect().bottom > top);
    anchor.current = first ? { element: first, top: first.getBoundingClientRect().top } : null;
  }, [scroller]);

  const settle = useCallback(() => {
    const element = scroller.current;
    if (!element?.clientHeight) return;
    if (sticks.current) {
      element.scrollTop = element.scrollHeight;
      return;
    }
    if (anchor.current?.element.isConnected) {
      element.scrollTop += anchor.current.element.getBoundingClientRect().top - anchor.current.top;
    }
    remember();
  }, [scroller, remember]);

  const toEnd = useCallback(() => {
    sticks.current = true;
    setAtEnd(true);
    settle();
  }, [settle]);

  useLayoutEffect(settle); // after each render, before the browser paints

  useEffect(() => {
    const element = scroller.current;
    if (!element) return;
    let before = element.scrollTop;
    const onScroll = () => {
      if (!element.clientHeight) return;
      const upward = element.scrollTop < before;
      before = element.scrollTop;
      // Whoever scrolls up wants to leave the end, however slowly.
      sticks.current = element.scrollHeight - element.scrollTop - element.clientHeight < (upward ? 2 : NEAR);
      setAtEnd(sticks.current);
      if (!sticks.current) remember();
    };
    // What changes its height without a render of ours: a thought that is unfolded, colours of code, a turned phone.
    const resized = new ResizeObserver(settle);
    resized.observe(element);
    if (element.firstElementChild) resized.observe(element.firstElementChild);
    element.addEventListener("scroll", onScroll, { passive: true });
    return () => {
      resized.disconnect();
      element.removeEventListener("scroll", onScroll);
    };
  }, [scroller, settle, remember]);

  return { atEnd, toEnd };
}
