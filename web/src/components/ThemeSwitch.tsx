import { Monitor, Moon, Sun } from "lucide-react";
import { useStore } from "../lib/store";
import { choose, type Theme, theme } from "../lib/theme";

const NEXT: Record<Theme, Theme> = { system: "light", light: "dark", dark: "system" };
const ICONS = { system: Monitor, light: Sun, dark: Moon };

/** Light, dark, or as the device has it. */
export function ThemeSwitch() {
  const now = useStore(theme);
  const Icon = ICONS[now];
  const label = `Theme: ${now}. Change to ${NEXT[now]}`;
  return (
    <button type="button" className="icon" onClick={() => choose(NEXT[now])} aria-label={label} title={label}>
      <Icon aria-hidden="true" size={17} />
    </button>
  );
}
