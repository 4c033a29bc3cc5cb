import { store } from "./store";

export type Theme = "system" | "light" | "dark";

const KEY = "concave.theme"; // also read by public/theme.js
const kept = localStorage.getItem(KEY);

/** What was chosen here; `system` follows the device. */
export const theme = store<Theme>(kept === "light" || kept === "dark" ? kept : "system");

export function choose(next: Theme): void {
  if (next === "system") {
    localStorage.removeItem(KEY);
    delete document.documentElement.dataset.theme;
  } else {
    localStorage.setItem(KEY, next);
    document.documentElement.dataset.theme = next;
  }
  theme.set(next);
}
