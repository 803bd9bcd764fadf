// What the page knows of the server: models, memory, features, and whether conversations are being saved.

import { computed, signal } from "@preact/signals";
import { type CatalogEntry, type Model, type ServerInfo, type StoreState, api } from "./api";
import { away, whenBack } from "./connection";
import { keyWanted } from "./key";
import { keep, recall } from "./lib/keep";

export const models = signal<Model[] | null>(null);
export const catalog = signal<CatalogEntry[] | null>(null);
export const info = signal<ServerInfo | null>(null);
export const store = signal<StoreState | null>(null);

export const chatModels = computed(() => (models.value ?? []).filter(chats));
export const chats = (model: Model) => model.capabilities.includes("chat") || model.capabilities.includes("completion");

/** The model of a new chat: the last one chosen, else the first one. */
const lastChoice = signal(recall("model"));
export const preferred = computed(
  () => chatModels.value.find((model) => model.id === lastChoice.value) ?? chatModels.value[0] ?? null,
);

export function prefer(id: string): void {
  lastChoice.value = id;
  keep("model", id);
}

export function modelOf(id: string | null): Model | null {
  return (models.value ?? []).find((model) => model.id === id || model.aliases?.includes(id ?? "")) ?? null;
}

/** Whether a model would fit beside nothing else; `null` while the budget is unknown. */
export function fits(bytes: number): boolean | null {
  const budget = info.value?.memory.budget_bytes;
  return budget ? bytes <= budget : null;
}

const quietly = async (work: Promise<unknown>) => {
  try {
    await work;
  } catch {
    // The banner says that the server is away; an older server may lack a route.
  }
};

export async function refreshModels(): Promise<void> {
  await quietly(api.models().then((list) => (models.value = list.data)));
}

export async function refreshServer(): Promise<void> {
  await quietly(api.server().then((found) => (info.value = found)));
}

export async function refreshCatalog(): Promise<void> {
  await quietly(api.catalog().then((list) => (catalog.value = list.data)));
}

export async function refreshStore(): Promise<void> {
  await quietly(api.store().then((state) => (store.value = state)));
}

export function savedNow(saved: boolean, reason: string | null): void {
  if (store.value) store.value = { ...store.value, saved, reason };
  else void refreshStore();
}

function refreshAll(): void {
  void refreshModels();
  void refreshServer();
  void refreshStore();
  // Tabs of tasks are there where a model could be fetched for them.
  void refreshCatalog();
}

/** Reads everything, and again when the server or the person comes back. */
export function watchServer(): void {
  refreshAll();
  whenBack(refreshAll);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && !away.peek()) refreshAll();
  });
  // A load under way moves; otherwise a look now and then finds a full disk, or a model that another client loaded.
  let turn = 0;
  setInterval(() => {
    if (document.hidden || away.peek() || keyWanted.peek()) return;
    const busy = models.peek()?.some((model) => model.status.value === "loading");
    if (busy || turn % 15 === 0) void refreshModels();
    if (turn % 15 === 0) void refreshStore();
    turn += 1;
  }, 1000);
}
