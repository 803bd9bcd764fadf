// Which tabs there are, and which of them this server fills. A task gets its tab with a line here, a text in the
// catalogue (`m.tabs`), and its path in `TAB_PATHS` of src/api/page.rs.

import type { ComponentType } from "preact";

export interface TabPage {
  default: ComponentType;
  Sidebar?: ComponentType;
}

export interface Tab {
  /** Its path, too: `/entities`. */
  id: string;
  /** Features of the server (`GET /api/server`) of which one is needed. */
  features?: string[];
  /** Capabilities of models (`GET /v1/models`) of which one is needed. */
  capabilities?: string[];
  page: () => Promise<TabPage>;
}

/** Tabs whose address is their path and nothing more; Chat and Compare have addresses of their own. */
export const TASKS: readonly Tab[] = [
  { id: "models", page: () => import("./models/page") },
];

/** Whether a tab is of use here. What is not known yet hides no feature, and shows no task. */
export function offered(tab: Tab, features: readonly string[] | null, models: readonly { capabilities: string[] }[] | null): boolean {
  if (tab.features && features && !tab.features.some((feature) => features.includes(feature))) return false;
  const wanted = tab.capabilities;
  return !wanted || (models ?? []).some((model) => model.capabilities.some((one) => wanted.includes(one)));
}
