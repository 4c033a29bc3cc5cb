import { ConvexProvider, ConvexReactClient } from "convex/react";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { largeFrames } from "../../sdk/js/concave-transport/index.js";
import { App } from "./App";
import "./styles/base.css";
import "./styles/frame.css";
import "./styles/chat.css";
import "./styles/prose.css";
import "./styles/cards.css";

// The backend is where the page came from: on a laptop, in development and behind a CDN alike. What is sent is kept in the
// outbox, so leaving the page loses nothing and needs no warning. What is too large for a frame of the socket goes by HTTP.
const client = new ConvexReactClient(location.origin, {
  unsavedChangesWarning: false,
  webSocketConstructor: largeFrames(),
});

const root = document.getElementById("root");
if (!root) throw new Error("index.html has no #root");
createRoot(root).render(
  <StrictMode>
    <ConvexProvider client={client}>
      <App />
    </ConvexProvider>
  </StrictMode>,
);
