import { useEffect } from "react";
import { Frame } from "./components/Frame";
import { SignIn } from "./components/SignIn";
import { useSend } from "./hooks/useSend";
import { useSignedIn } from "./hooks/useSignedIn";
import { person } from "./lib/identity";
import { waiting } from "./lib/outbox";
import { useStore } from "./lib/store";

/** Who is not signed in signs in; everybody else is in the frame, also while the server has not confirmed them yet. */
export function App() {
  const who = useStore(person);
  const signedIn = useSignedIn(who);
  const { deliver } = useSend();

  useEffect(() => {
    if (signedIn === "confirmed") for (const parcel of waiting()) void deliver(parcel);
  }, [signedIn, deliver]);

  if (!who) return <SignIn key="out" />;
  if (signedIn === "rejected") return <SignIn key="rejected" rejected />;
  return <Frame who={who} confirmed={signedIn === "confirmed"} />;
}
