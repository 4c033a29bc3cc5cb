import { useConvex } from "convex/react";
import { makeFunctionReference } from "convex/server";
import { useCallback, useEffect, useRef, useState } from "react";

/** A query, mutation or action of the operators, by its path below `_system/`. */
export const queryAt = (path: string) => makeFunctionReference<"query">(`_system/${path}`);
export const mutationAt = (path: string) => makeFunctionReference<"mutation">(`_system/${path}`);
export const actionAt = (path: string) => makeFunctionReference<"action">(`_system/${path}`);

/** What a person reads of an error: without the frame that the client puts around it. */
export function sentence(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const lines = text.split("\n").filter((line) => !/^\[CONVEX|Called by client|^\s+at /.test(line));
  return (lines.join(" ").replace(/^Uncaught (ConvexError: )?/, "").trim() || text).slice(0, 600);
}

/** What an action answers, asked again every so many milliseconds while the page is seen. */
export function usePolled<T>(path: string, args: Record<string, unknown>, every: number) {
  const client = useConvex();
  const [value, setValue] = useState<T>();
  const [problem, setProblem] = useState<string>();
  const asked = JSON.stringify(args);
  const ask = useCallback(async () => {
    try {
      setValue((await client.action(actionAt(path), JSON.parse(asked))) as T);
      setProblem(undefined);
    } catch (error) {
      setProblem(sentence(error));
    }
  }, [client, path, asked]);
  const latest = useRef(ask);
  latest.current = ask;
  useEffect(() => {
    let over = false;
    let timer: ReturnType<typeof setTimeout>;
    const look = async () => {
      if (!document.hidden) await latest.current();
      if (!over && every > 0) timer = setTimeout(look, every);
    };
    void look();
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }, [every, ask]);
  return { value, problem, again: ask };
}
