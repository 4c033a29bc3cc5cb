import { useConvexConnectionState } from "convex/react";
import { useSyncExternalStore } from "react";

export type Connection = "live" | "connecting" | "reconnecting" | "offline";

function follow(listener: () => void): () => void {
  addEventListener("online", listener);
  addEventListener("offline", listener);
  return () => {
    removeEventListener("online", listener);
    removeEventListener("offline", listener);
  };
}

/** How this tab is connected. The socket is asked first: a device may say "offline" and still reach a server on itself. */
export function useConnection(): Connection {
  const { isWebSocketConnected, hasEverConnected } = useConvexConnectionState();
  const online = useSyncExternalStore(follow, () => navigator.onLine);
  if (isWebSocketConnected) return "live";
  if (!online) return "offline";
  return hasEverConnected ? "reconnecting" : "connecting";
}
