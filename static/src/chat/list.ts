// The conversations of the side bar: pages of the list, tags, search, and what one can do to them.

import { computed, signal } from "@preact/signals";
import { type Conversation, type Hit, Unreachable, api } from "../api";
import { whenBack } from "../connection";
import { m } from "../i18n";
import { type DateGroup, dateGroup } from "../lib/format";
import { chatPath, go, route } from "../router";
import { confirmed } from "../ui/dialog";
import { attempt, tell } from "../ui/notice";

const PAGE = 100;

export const list = signal<Conversation[] | null>(null);
export const hasMore = signal(false);
export const archivedShown = signal(false);
export const tagShown = signal<string | null>(null);
export const tags = signal<{ tag: string; count: number }[]>([]);

/** Selected ids; `null` when nothing is being selected. */
export const selection = signal<ReadonlySet<string> | null>(null);

export const query = signal("");
export const hits = signal<Hit[] | null>(null);

export const groups = computed(() => {
  const now = Date.now();
  const found = new Map<"pinned" | DateGroup, Conversation[]>();
  const sorted = [...(list.value ?? [])].sort((a, b) => b.updated_ms - a.updated_ms);
  for (const group of ["pinned", "today", "yesterday", "lastWeek", "lastMonth", "older"] as const) found.set(group, []);
  for (const conversation of sorted) {
    found.get(conversation.pinned ? "pinned" : dateGroup(conversation.updated_ms, now))!.push(conversation);
  }
  return [...found].filter(([, members]) => members.length > 0);
});

function listQuery(more: Record<string, string> = {}): URLSearchParams {
  const wanted = new URLSearchParams({ limit: String(PAGE), ...more });
  if (archivedShown.peek()) wanted.set("archived", "true");
  if (tagShown.peek()) wanted.set("tag", tagShown.peek()!);
  return wanted;
}

let newest = 0;

export async function refreshList(): Promise<void> {
  const mine = ++newest;
  try {
    const [page, pinned, labels] = await Promise.all([api.list(listQuery()), api.list(listQuery({ pinned: "true" })), api.tags()]);
    if (mine !== newest) return;
    // Pinned ones are shown first, however old they are.
    const ids = new Set(page.data.map((one) => one.id));
    list.value = [...page.data, ...pinned.data.filter((one) => !ids.has(one.id))];
    hasMore.value = page.has_more;
    tags.value = labels.data;
  } catch (error) {
    if (!(error instanceof Unreachable)) tell((error as Error).message, true);
  }
}

let fetching = false;

export async function fetchMore(): Promise<void> {
  const known = list.peek();
  if (fetching || !known || !hasMore.peek()) return;
  fetching = true;
  const mine = newest;
  try {
    const oldest = known.reduce((a, b) => (b.updated_ms < a.updated_ms && !b.pinned ? b : a), known.find((one) => !one.pinned) ?? known[0]!);
    const page = await api.list(listQuery({ after: oldest.id }));
    if (mine !== newest) return;
    const ids = new Set(known.map((one) => one.id));
    list.value = [...known, ...page.data.filter((one) => !ids.has(one.id))];
    hasMore.value = page.has_more;
  } catch {
    // The next scroll tries again.
  } finally {
    fetching = false;
  }
}

whenBack(() => void refreshList());

/** Puts a changed conversation into the list, without asking for all of it again. */
export function noteChanged(conversation: Conversation): void {
  const known = list.peek();
  if (!known) return;
  const others = known.filter((one) => one.id !== conversation.id);
  const listed = conversation.archived === archivedShown.peek() && (!tagShown.peek() || conversation.tags.includes(tagShown.peek()!));
  list.value = listed ? [conversation, ...others] : others;
  if (hits.peek()) hits.value = hits.peek()!.map((hit) => (hit.conversation.id === conversation.id ? { ...hit, conversation } : hit));
}

export function noteGone(ids: readonly string[]): void {
  const gone = new Set(ids);
  list.value = list.peek()?.filter((one) => !gone.has(one.id)) ?? null;
  hits.value = hits.peek()?.filter((hit) => !gone.has(hit.conversation.id)) ?? null;
  const here = route.peek();
  if (here.tab === "chat" && here.id && gone.has(here.id)) go("/", true);
}

export const changed: ((conversation: Conversation) => void)[] = [noteChanged];

export function change(id: string, fields: Partial<Conversation>): Promise<boolean> {
  return attempt(async () => {
    const conversation = await api.change(id, fields);
    for (const listener of changed) listener(conversation);
    if ("tags" in fields) tags.value = (await api.tags()).data;
  });
}

export async function removeAll(ids: string[]): Promise<void> {
  if (ids.length === 0 || !(await confirmed(m.side.deleteTitle(ids.length), m.side.deleteText, m.remove))) return;
  await attempt(async () => {
    const { deleted } = await api.remove(ids);
    noteGone(ids);
    announceGone(ids);
    selection.value = null;
    tell(m.side.deleted(deleted));
    tags.value = (await api.tags()).data;
  });
}

// Other tabs of this browser learn of a deletion at once; others find out when they ask.
const channel = typeof BroadcastChannel === "undefined" ? null : new BroadcastChannel("tern");
export const goneElsewhere: ((ids: string[]) => void)[] = [];

function announceGone(ids: string[]): void {
  channel?.postMessage({ gone: ids });
}

if (channel) {
  channel.onmessage = (event: MessageEvent<{ gone?: string[] }>) => {
    const ids = event.data.gone ?? [];
    const dead = new Set(ids);
    list.value = list.peek()?.filter((one) => !dead.has(one.id)) ?? null;
    for (const listener of goneElsewhere) listener(ids);
  };
}

let searching: AbortController | null = null;
let pause: ReturnType<typeof setTimeout> | undefined;

export function searchFor(text: string): void {
  query.value = text;
  clearTimeout(pause);
  searching?.abort();
  if (text.trim() === "") {
    hits.value = null;
    return;
  }
  pause = setTimeout(async () => {
    searching = new AbortController();
    try {
      hits.value = (await api.search(text.trim(), searching.signal)).data;
    } catch (error) {
      if ((error as Error).name !== "AbortError") hits.value = [];
    }
  }, 120);
}

export async function importFile(file: File): Promise<void> {
  await attempt(async () => {
    const { imported, skipped } = await api.import(await file.text());
    tell(m.side.imported(imported.length, skipped.length), imported.length === 0);
    for (const one of skipped.slice(0, 3)) tell(m.side.skipped(one.index + 1, one.reason), true);
    await refreshList();
    if (imported.length === 1) go(chatPath(imported[0]!));
  });
}
