import { useMutation, useQuery } from "convex/react";
import { Bell, BellOff, BellRing } from "lucide-react";
import { useEffect, useState } from "react";
import { api } from "../lib/api";
import { explain } from "../lib/explain";
import { current, idOf, label, type Permission, permission, subscribe } from "../lib/push";
import { Dialog } from "./Dialog";

const WORDS = {
  unsupported: "This browser cannot show notifications of this page.",
  unavailable: "This server sends no notifications; its operator has to set keys for them.",
  blocked: "This page may not show notifications. Allow them in the browser's settings of this site, then load it again.",
  off: "Be told when a reply is ready, has failed, or a task's workflow is complete, also while this page is closed.",
  on: "You are told here when a reply is ready, has failed, or a task's workflow is complete.",
};
type State = keyof typeof WORDS;
const ICONS = { unsupported: BellOff, unavailable: BellOff, blocked: BellOff, off: Bell, on: BellRing };

function stateOf(allowed: Permission, publicKey: string | null | undefined, on: boolean): State {
  if (allowed === "unsupported") return "unsupported";
  if (publicKey === null) return "unavailable";
  if (allowed === "denied") return "blocked";
  return on ? "on" : "off";
}

/** Whether this browser is told when a reply is ready, and the way to change that. */
export function Notifications({ confirmed }: { confirmed: boolean }) {
  const publicKey = useQuery(api.push.publicKey, confirmed ? {} : "skip");
  const browsers = useQuery(api.push.list, confirmed ? {} : "skip");
  const subscribed = useMutation(api.push.subscribe);
  const unsubscribe = useMutation(api.push.unsubscribe);
  const test = useMutation(api.push.test);
  const [allowed, setAllowed] = useState(permission);
  const [own, setOwn] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const [said, setSaid] = useState("");
  const [open, setOpen] = useState(false);
  const on = own !== null && (browsers ?? []).some((each) => each._id === own);
  const others = (browsers ?? []).filter((each) => !on || each._id !== own);

  // What the browser has from an earlier visit.
  useEffect(() => {
    if (!publicKey || permission() !== "granted") return;
    let left = false;
    const found = current(publicKey).then((known) => known && idOf(known.endpoint));
    found.then((id) => !left && setOwn(id)).catch((problem) => console.warn("no look at notifications", problem));
    return () => {
      left = true;
    };
  }, [publicKey]);
  useOpening();
  useBadge(on);

  async function attempt(what: () => Promise<string>) {
    setBusy(true);
    setSaid("");
    try {
      setSaid(await what());
    } catch (problem) {
      setSaid(explain(problem));
    }
    setBusy(false);
  }

  async function turnOn(): Promise<string> {
    if (!publicKey) return "";
    const answer = await Notification.requestPermission();
    setAllowed(answer);
    if (answer !== "granted") return answer === "default" ? "The browser has not been given an answer." : "";
    const subscription = await subscribe(publicKey, on);
    const made = await subscribed({ subscription, label: label() });
    setOwn(made._id);
    return "";
  }

  async function turnOff(): Promise<string> {
    const known = publicKey ? await current(publicKey) : null;
    if (known) {
      await unsubscribe({ endpoint: known.endpoint });
      await known.unsubscribe();
    }
    setOwn(null);
    return "";
  }

  async function tryIt(): Promise<string> {
    const count = await test({});
    return `A notification is on its way to ${count === 1 ? "this browser" : `${count} browsers`}.`;
  }

  const state = stateOf(allowed, publicKey, on);
  const Icon = ICONS[state];
  const close = () => {
    setOpen(false);
    setSaid("");
  };
  const name = `Notifications: ${state}`;
  return (
    <>
      <button type="button" className="icon" onClick={() => setOpen(true)} aria-label={name} title={name}>
        <Icon aria-hidden="true" size={17} />
      </button>
      {open && (
        <Dialog title="Notifications" onClose={close}>
          <p>{WORDS[state]}</p>
          {others.length > 0 && (
            <p className="hint">You are also told in: {others.map((each) => each.label || each.host).join(", ")}.</p>
          )}
          <p role="status">{said}</p>
          <form method="dialog">
            <menu>
              <button type="submit">Close</button>
              {state === "on" && (
                <>
                  <button type="button" disabled={busy} onClick={() => attempt(turnOff)}>
                    Turn off
                  </button>
                  <button type="button" disabled={busy} onClick={() => attempt(tryIt)}>
                    Send a test
                  </button>
                </>
              )}
              {state === "off" && (
                <button type="button" className="primary" disabled={busy || !publicKey} onClick={() => attempt(turnOn)}>
                  Turn on
                </button>
              )}
            </menu>
          </form>
        </Dialog>
      )}
    </>
  );
}

/** Who clicks a notification is led to what it is about, in the tab that is open. */
function useOpening() {
  useEffect(() => {
    if (!("serviceWorker" in navigator)) return;
    const open = ({ data }: MessageEvent<{ type?: string; hash?: string } | null>) => {
      if (data?.type === "open" && data.hash?.startsWith("#/")) location.hash = data.hash;
    };
    navigator.serviceWorker.addEventListener("message", open);
    return () => navigator.serviceWorker.removeEventListener("message", open);
  }, []);
}

/** The number on the page's icon: tasks in progress. While the page is closed, messages carry it. */
function useBadge(on: boolean) {
  const counted = useQuery(api.tasks.list, on && "setAppBadge" in navigator ? { status: "in_progress" } : "skip")?.length;
  useEffect(() => {
    if (counted === undefined) return;
    const set = counted > 0 ? navigator.setAppBadge(counted) : navigator.clearAppBadge();
    set.catch((problem) => console.warn("no badge", problem));
  }, [counted]);
}
