import { ConvexProvider, ConvexReactClient } from "convex/react";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import "../../src/styles/base.css";
import { App } from "./App";
import "./dashboard.css";

const client = new ConvexReactClient(location.origin, { unsavedChangesWarning: false });
const root = document.getElementById("root");
if (!root) throw new Error("index.html has no #root");
createRoot(root).render(
  <StrictMode>
    <ConvexProvider client={client}>
      <App client={client} />
    </ConvexProvider>
  </StrictMode>,
);
