import { PlugZap } from "lucide-react";
import type { SessionView } from "../lib/views";
import { Moment } from "./When";

/** That the machine which answers a session is away, and what that means. */
export function MachineOffline({ session: { worker, onOffline } }: { session: SessionView }) {
  if (worker?.status !== "offline") return null;
  return (
    <p className="offline" role="status">
      <PlugZap aria-hidden="true" size={16} /> {worker.machineName ?? worker.name} is offline
      {worker.offlineSince !== undefined && (
        <>
          {" "}
          since <Moment at={worker.offlineSince} />
        </>
      )}
      .{" "}
      {onOffline === "reject"
        ? "Messages are not taken until it is back."
        : "Your messages wait until it is back."}
    </p>
  );
}
