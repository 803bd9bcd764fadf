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
  /** Features of the server that do instead of such a model. */
  orFeatures?: string[];
  /** Models of the catalogue that do instead, by name: the tab then offers to fetch one. */
  orCatalogue?: RegExp;
  page: () => Promise<TabPage>;
}

/** What the catalogue calls models of a task; it does not say what they can do. */
export const ENTITY_MODELS = /(^|-)ner(-|$)/;
export const PICTURE_MODELS = /^(blip|smolvlm)/;
export const SPEECH_MODELS = /^whisper/;

/** Tabs whose address is their path and nothing more; Chat and Compare have addresses of their own. */
export const TASKS: readonly Tab[] = [
  { id: "entities", capabilities: ["ner"], orCatalogue: ENTITY_MODELS, page: () => import("./entities/page") },
  { id: "ocr", capabilities: ["ocr"], orFeatures: ["ocr"], page: () => import("./ocr/page") },
  { id: "vision", capabilities: ["caption", "visual_questions", "vision"], orCatalogue: PICTURE_MODELS, page: () => import("./vision/page") },
  { id: "speech", capabilities: ["transcription"], orCatalogue: SPEECH_MODELS, page: () => import("./speech/page") },
  { id: "models", page: () => import("./models/page") },
];

/** What decides which tabs there are; `null` is not known yet. */
export interface Known {
  features: readonly string[] | null;
  models: readonly { capabilities: string[] }[] | null;
  catalogue: readonly { name: string }[] | null;
}

/** Whether a tab is of use here. What is not known yet hides no feature, and shows no task. */
export function offered(tab: Tab, { features, models, catalogue }: Known): boolean {
  if (tab.features && features && !tab.features.some((feature) => features.includes(feature))) return false;
  const wanted = tab.capabilities;
  return !wanted || (models ?? []).some((model) => model.capabilities.some((one) => wanted.includes(one)))
    || (tab.orFeatures ?? []).some((feature) => features?.includes(feature) === true)
    || (tab.orCatalogue !== undefined && (catalogue ?? []).some(({ name }) => tab.orCatalogue!.test(name)));
}
