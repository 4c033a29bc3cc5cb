import { useEffect, useRef } from "react";

/** A list that shows what was chosen of it, also where that would be below its fold. */
export function useSeen<T extends HTMLElement>(chosen: string, there: boolean) {
  const list = useRef<T>(null);
  useEffect(() => {
    if (!there || !chosen) return;
    list.current?.querySelector('[aria-current="true"]')?.scrollIntoView({ block: "nearest" });
  }, [chosen, there]);
  return list;
}
