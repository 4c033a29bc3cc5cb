import { useConvex } from "convex/react";
import { useEffect, useState } from "react";
import { fetchToken, type Person } from "../lib/identity";

/** `pending`: the server has not said yet whether it takes the token; it may not be reachable. */
export type SignedIn = "pending" | "confirmed" | "rejected";

/** Makes the client speak for `who`, with fresh tokens as they run out; nobody is `null`. */
export function useSignedIn(who: Person | null): SignedIn {
  const client = useConvex();
  const [told, tell] = useState<{ who: Person | null; state: SignedIn }>({ who: null, state: "pending" });

  useEffect(() => {
    if (!who) return;
    client.setAuth(
      ({ forceRefreshToken }) => fetchToken(who, forceRefreshToken),
      (accepted) => tell({ who, state: accepted ? "confirmed" : "rejected" }),
    );
    return () => client.clearAuth();
  }, [client, who]);

  return told.who === who ? told.state : "pending"; // what was said of somebody else says nothing
}
