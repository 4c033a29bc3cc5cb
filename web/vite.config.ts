import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";
import { policy } from "./policy.ts";
import { sizes } from "./sizes.ts";

/** The backend that the development server passes calls on to; the built page is served by the backend itself. */
const backend = process.env.CONCAVE_URL ?? `http://127.0.0.1:${process.env.PORT ?? "3210"}`;
const proxy = Object.fromEntries(
  ["/api", "/dev", "/version", "/chat"].map((path) => [path, { target: backend, changeOrigin: true, ws: true }]),
);

export default defineConfig({
  plugins: [react(), policy(), sizes()],
  server: { host: "127.0.0.1", proxy, fs: { allow: [".", "../sdk/js"] } },
  preview: { host: "127.0.0.1", proxy },
  build: { target: "es2022", reportCompressedSize: false, chunkSizeWarningLimit: 600 },
});
