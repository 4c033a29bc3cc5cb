// Shows the backend's push messages and opens what they are about. It answers no requests: the page works without it.

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
self.addEventListener("push", (event) => event.waitUntil(tell(read(event.data))));
self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(open(event.notification.data?.url));
});

/** A message as `functions/notifications.py` makes it: {title, body, url, tag, badge, silent}; the browser has decrypted it. */
function read(data) {
  try {
    const told = data?.json();
    return typeof told === "object" && told !== null ? told : {};
  } catch {
    return {}; // not JSON, so not from this backend's code; a browser still wants something to be shown
  }
}

async function tell({ title, body, url, tag, badge, silent }) {
  await count(badge);
  // A browser wants every message to be shown, but for those that come while the page is in view.
  if (silent && (await windows()).some((each) => each.visibilityState === "visible")) return;
  await self.registration.showNotification(String(title || "Concave"), {
    body: String(body || ""),
    tag: tag && String(tag), // a later one of the same tag takes its place
    renotify: Boolean(tag) && !silent,
    silent: Boolean(silent),
    data: { url: String(url || "") },
  });
}

/** The number on the page's icon, where there is one. */
async function count(badge) {
  if (!Number.isInteger(badge) || !self.navigator.setAppBadge) return;
  try {
    await (badge > 0 ? self.navigator.setAppBadge(badge) : self.navigator.clearAppBadge());
  } catch {
    // the page is not installed, so it has no icon to count on
  }
}

/** The page at this address: a tab that is open goes there, else a new one opens. */
async function open(url) {
  const address = new URL(url || "", self.registration.scope);
  const hash = address.origin === self.location.origin ? address.hash : "";
  const [tab] = (await windows()).sort((a, b) => Number(b.focused) - Number(a.focused));
  if (!tab) return self.clients.openWindow(new URL(hash, self.registration.scope));
  if (hash) tab.postMessage({ type: "open", hash });
  return tab.focus();
}

const windows = () => self.clients.matchAll({ type: "window", includeUncontrolled: true });
