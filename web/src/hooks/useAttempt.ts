import { useCallback, useState } from "react";
import { explain } from "../lib/explain";

/** Does something that may be refused. `subject`: what it is done to, where several such things are on the page. */
export type Attempt = (work: () => Promise<unknown>, subject?: string) => Promise<void>;

/** A way to do what may be refused, and the last refusal in words. */
export function useAttempt(): { problem: string | null; attempt: Attempt } {
  const [problem, setProblem] = useState<string | null>(null);
  const attempt = useCallback<Attempt>(async (work, subject) => {
    setProblem(null);
    try {
      await work();
    } catch (refused) {
      setProblem(subject === undefined ? explain(refused) : `${subject}: ${explain(refused)}`);
    }
  }, []);
  return { problem, attempt };
}
