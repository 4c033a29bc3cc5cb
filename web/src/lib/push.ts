import type { Subscribed } from "../generated/api";
import { person } from "./identity";

/** What a browser says about notifications; whether this one is subscribed is another question. */
export type Permission = "unsupported" | "default" | "granted" | "denied";

/** Without a secure origin, and in browsers that have to install the page first, some of these are missing. */
export function permission(): Permission {
  const able = "serviceWorker" in navigator && "PushManager" in window && "Notification" in window;
  return able && isSecureContext ? Notification.permission : "unsupported";
}

/** This browser's subscription, if it has one that was made with this key. */
export async function current(publicKey: string): Promise<PushSubscription | null> {
  const registration = await navigator.serviceWorker.getRegistration();
  const found = (await registration?.pushManager.getSubscription()) ?? null;
  return found && sameKey(found, publicKey) ? found : null;
}

/** Subscribe this browser, anew where it was somebody else's: then nobody else can send to it. */
export async function subscribe(publicKey: string, mine: boolean): Promise<Subscribed> {
  await navigator.serviceWorker.register("/sw.js");
  const { pushManager } = await navigator.serviceWorker.ready;
  const old = await pushManager.getSubscription();
  if (old && !(mine && sameKey(old, publicKey))) await old.unsubscribe();
  const applicationServerKey = bytesOf(publicKey);
  const made = (await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey })).toJSON();
  const { p256dh, auth } = made.keys ?? {};
  if (!made.endpoint || !p256dh || !auth) throw new Error("This browser did not give what is needed to send to it.");
  const until = made.expirationTime && { expirationTime: made.expirationTime };
  return { endpoint: made.endpoint, keys: { p256dh, auth }, ...until };
}

/** The id that the server has for an endpoint: it tells no endpoints, so a browser finds itself by this. */
export async function idOf(endpoint: string): Promise<string> {
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(endpoint));
  const hex = [...new Uint8Array(hash)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return `push-${hex.slice(0, 40)}`;
}

/** How this browser is called in a list of them. */
export function label(agent = navigator.userAgent): string {
  const browser = /(Firefox|Edg(?!e)|OPR)/.exec(agent)?.[1] ?? /(Chrome|Safari)/.exec(agent)?.[1] ?? "Browser";
  const system = /(Android|iPhone|iPad|Windows|Mac OS|CrOS|Linux)/.exec(agent)?.[1];
  const name = { Edg: "Edge", OPR: "Opera" }[browser] ?? browser;
  return system ? `${name} on ${system}` : name;
}

function sameKey(subscription: PushSubscription, publicKey: string): boolean {
  const made = subscription.options?.applicationServerKey;
  if (!made) return true; // a browser that does not say; the push service will
  const wanted = bytesOf(publicKey);
  const with_ = new Uint8Array(made);
  return with_.length === wanted.length && with_.every((byte, at) => byte === wanted[at]);
}

function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
  return Uint8Array.from(binary, (char) => char.charCodeAt(0));
}

/** Who signs out is told nothing here any more. The browser ends it by itself; the server learns it from the push service. */
async function forget(): Promise<void> {
  if (permission() === "unsupported") return;
  const registration = await navigator.serviceWorker.getRegistration();
  if (!registration) return;
  await (await registration.pushManager.getSubscription())?.unsubscribe();
  for (const shown of await registration.getNotifications()) shown.close();
  await navigator.clearAppBadge?.();
}

person.subscribe(() => {
  if (person.get() === null) forget().catch((problem) => console.warn("notifications were not ended", problem));
});
