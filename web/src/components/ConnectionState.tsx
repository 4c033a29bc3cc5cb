import { type Connection, useConnection } from "../hooks/useConnection";

const WORDS: Record<Connection, string> = {
  live: "Live",
  connecting: "Connecting",
  reconnecting: "Reconnecting",
  offline: "Offline",
};

/** Always in view: whether what is shown is the present. */
export function ConnectionState() {
  const connection = useConnection();
  return (
    <span className="connection" data-state={connection} role="status">
      {WORDS[connection]}
    </span>
  );
}
