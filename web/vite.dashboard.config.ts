import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

/** The dashboard: built for `/_/`, where the server adds the policy of what it may load. */
export default defineConfig({
  root: "dashboard",
  base: "/_/",
  publicDir: false,
  plugins: [react()],
  build: { outDir: "../dist-dashboard", emptyOutDir: true, target: "es2022", reportCompressedSize: false },
});
