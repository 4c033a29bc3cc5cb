import { useMutation } from "convex/react";
import type { FunctionReturnType } from "convex/server";
import { useEffect, useState } from "react";
import { api } from "../lib/api";
import { explain } from "../lib/explain";

type Verdict = FunctionReturnType<typeof api.schedules.validate>;

/** How long nothing is typed before the server is asked, in milliseconds. */
const REST_MS = 250;

/** What the server says of a cron expression while it is typed; `undefined` until it has said so of this very one. */
export function useVerdict(schedule: string): Verdict | undefined {
  const validate = useMutation(api.schedules.validate);
  const [told, setTold] = useState<{ schedule: string; verdict: Verdict } | null>(null);

  useEffect(() => {
    if (!schedule) return;
    let overtaken = false;
    const judged = (verdict: Verdict) => {
      if (!overtaken) setTold({ schedule, verdict });
    };
    const timer = setTimeout(() => {
      validate({ schedule }).then(judged, (problem: unknown) => judged({ valid: false, error: explain(problem) }));
    }, REST_MS);
    return () => {
      overtaken = true;
      clearTimeout(timer);
    };
  }, [schedule, validate]);

  return told?.schedule === schedule ? told.verdict : undefined;
}
