import { useConvexAuth } from "convex/react";
import { useEffect } from "react";
import { Frame } from "./components/Frame";
import { SignIn } from "./components/SignIn";
import { useSend } from "./hooks/useSend";
import { person } from "./lib/identity";
import { waiting } from "./lib/outbox";
import { useStore } from "./lib/store";

/** Who is not signed in signs in; everybody else is in the frame, also while the server has not confirmed them yet. */
export function App() {
  const who = useStore(person);
  const { isLoading, isAuthenticated } = useConvexAuth();
  const { deliver } = useSend();

  useEffect(() => {
    if (isAuthenticated) for (const parcel of waiting()) void deliver(parcel);
  }, [isAuthenticated, deliver]);

  if (!who) return <SignIn />;
  if (!isLoading && !isAuthenticated) return <SignIn rejected />;
  return <Frame who={who} confirmed={isAuthenticated} />;
}
