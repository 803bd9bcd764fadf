// Light, dark, or as the system. theme-first.js sets it before the first paint; this follows changes.

import { effect, signal } from "@preact/signals";
import { keep, recall } from "./lib/keep";

export type Theme = "light" | "dark" | "system";

const stored = recall("theme");
export const theme = signal<Theme>(stored === "light" || stored === "dark" ? stored : "system");

const system = matchMedia("(prefers-color-scheme: dark)");
const systemDark = signal(system.matches);
system.addEventListener("change", () => (systemDark.value = system.matches));

effect(() => {
  const dark = theme.value === "dark" || (theme.value === "system" && systemDark.value);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  keep("theme", theme.value === "system" ? null : theme.value);
});

export function nextTheme(): void {
  theme.value = { system: "light", light: "dark", dark: "system" }[theme.value] as Theme;
}
