// Paths without a library: `/`, `/chat/{id}` (`?message=` shows one), `/compare`, `/compare/{id}`, and a path for each task.

import { computed, signal } from "@preact/signals";
import { TASKS } from "./tabs";

const path = signal(location.pathname + location.search);

export type Route =
  | { tab: "chat"; id: string | null; message: string | null }
  | { tab: "compare"; id: string | null }
  | { tab: "task"; task: string }
  | { tab: "unknown" };

export const route = computed<Route>(() => {
  const [where, search] = path.value.split("?") as [string, string?];
  const [first, id, ...rest] = where.split("/").filter(Boolean).map(decoded);
  if (rest.length > 0) return { tab: "unknown" };
  if (first === undefined) return { tab: "chat", id: null, message: null };
  if (first === "chat") return { tab: "chat", id: id ?? null, message: new URLSearchParams(search).get("message") };
  if (first === "compare") return { tab: "compare", id: id ?? null };
  if (id === undefined && TASKS.some((task) => task.id === first)) return { tab: "task", task: first };
  return { tab: "unknown" };
});

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export function go(to: string, replace = false): void {
  if (to !== location.pathname + location.search) history[replace ? "replaceState" : "pushState"](null, "", to);
  path.value = to;
}

addEventListener("popstate", () => (path.value = location.pathname + location.search));

// Links of the page itself change the view without loading it again.
addEventListener("click", (event) => {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = (event.target as Element).closest?.("a[href]");
  if (!(link instanceof HTMLAnchorElement) || link.target || link.hasAttribute("download") || link.origin !== location.origin) return;
  const first = link.pathname.split("/")[1]!;
  if (!["", "chat", "compare"].includes(first) && !TASKS.some((task) => task.id === first)) return;
  event.preventDefault();
  go(link.pathname + link.search);
});

export const chatPath = (id: string | null, message?: string | null) =>
  id === null ? "/" : `/chat/${encodeURIComponent(id)}${message ? `?message=${encodeURIComponent(message)}` : ""}`;
export const comparePath = (id: string | null) => (id === null ? "/compare" : `/compare/${encodeURIComponent(id)}`);
