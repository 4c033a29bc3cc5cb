import { ConvexProviderWithAuth, ConvexReactClient } from "convex/react";
import { StrictMode, useCallback } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./App";
import { fetchToken, person } from "./lib/identity";
import { useStore } from "./lib/store";
import "./styles/base.css";
import "./styles/frame.css";
import "./styles/chat.css";
import "./styles/prose.css";

// The backend is where the page came from: on a laptop, in development and behind a CDN alike. What is sent is kept in the
// outbox, so leaving the page loses nothing and needs no warning.
const client = new ConvexReactClient(location.origin, { unsavedChangesWarning: false });

function useAuth() {
  const who = useStore(person);
  const fetchAccessToken = useCallback(
    async ({ forceRefreshToken }: { forceRefreshToken: boolean }) => (who ? fetchToken(who, forceRefreshToken) : null),
    [who],
  );
  return { isLoading: false, isAuthenticated: who !== null, fetchAccessToken };
}

const root = document.getElementById("root");
if (!root) throw new Error("index.html has no #root");
createRoot(root).render(
  <StrictMode>
    <ConvexProviderWithAuth client={client} useAuth={useAuth}>
      <App />
    </ConvexProviderWithAuth>
  </StrictMode>,
);
