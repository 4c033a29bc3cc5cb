import { ConvexProvider, ConvexReactClient } from "convex/react";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { Messages } from "./Messages";
import "./style.css";

const client = new ConvexReactClient(window.location.origin);

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <ConvexProvider client={client}>
      <Messages />
    </ConvexProvider>
  </StrictMode>,
);
