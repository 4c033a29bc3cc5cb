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

/** A device may say "offline" and still reach a server on itself. */
const ON_THIS_DEVICE = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);

/**
 * How this tab is connected. Without a network nothing arrives, not even the end of a socket: it looks open for up to a
 * minute, and what is on the screen is the past.
 */
export function useConnection(): Connection {
  const { isWebSocketConnected, hasEverConnected } = useConvexConnectionState();
  const online = useSyncExternalStore(follow, () => navigator.onLine);
  if (!online && !ON_THIS_DEVICE) return "offline";
  if (isWebSocketConnected) return "live";
  if (!online) return "offline";
  return hasEverConnected ? "reconnecting" : "connecting";
}
