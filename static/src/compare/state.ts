// The comparison that is open or being set up, and the list of earlier ones.

import { batch, computed, effect, signal } from "@preact/signals";
import { ApiFailure, type Page, Unreachable, call, request } from "../api";
import { whenBack } from "../connection";
import { m } from "../i18n";
import { follow } from "../lib/events";
import { keepJson, recallJson } from "../lib/keep";
import { chatPath, comparePath, go, route } from "../router";
import { chatModels, fits, preferred } from "../server";
import { confirmed } from "../ui/dialog";
import { attempt, reason, say, tell } from "../ui/notice";
import { family } from "./figures";
import { type CellState, type Column, type CompareEvent, type CompareRequest, type Comparison, type Judgement, keyOf } from "./types";

export const list = signal<Comparison[] | null>(null);
export const hasMore = signal(false);
export const open = signal<Comparison | null>(null);
export const problem = signal<"gone" | "away" | null>(null);
export const setup = signal<CompareRequest | null>(null);
export const blind = signal(recallJson("blind", false));
export const refusal = signal<string | null>(null);
export const starting = signal(false);

/** What is being done in a cell, and what it has said so far. */
export interface LiveCell {
  state: CellState;
  share: number | null;
  position: number | null;
}
export const cells = signal<ReadonlyMap<string, LiveCell>>(new Map());
export const texts = signal<ReadonlyMap<string, { text: string; reasoning: string }>>(new Map());

export const running = computed(() => open.value?.status === "generating");
const at = (id: string, rest = "") => `/api/compare/${encodeURIComponent(id)}${rest}`;
export const exportPath = (id: string, format: string) => at(id, `/export?format=${format}`);

const usual = (): CompareRequest => ({
  prompts: [m.compare.firstPrompt], system_prompt: null, attachments: [], columns: firstColumns(), parameters: {}, mode: "sequential", repetitions: 1,
  warmup: true, cache: "cold", unload_between: false, reference: 0, assertions: [], quality: true,
});

/** Two columns to begin with: forms of the same weights if there are any. */
function firstColumns(): Column[] {
  const usable = chatModels.peek().filter((model) => fits(model.memory.total_bytes) !== false);
  const first = preferred.peek() ?? usable[0];
  if (!first) return [{ model: "" }, { model: "" }];
  const other = usable.find((model) => model.id !== first.id && family(model.id) === family(first.id)) ?? usable.find((model) => model.id !== first.id) ?? first;
  return [{ model: first.id }, { model: other.id }];
}

/** Fills the setup once models are known. */
effect(() => {
  if (setup.value || chatModels.value.length === 0) return;
  const kept = recallJson<CompareRequest | null>("compare", null);
  const known = new Set(chatModels.value.map((model) => model.id));
  setup.value = kept?.columns?.every((column) => known.has(column.model)) ? { ...usual(), ...kept } : usual();
});

export function change(fields: Partial<CompareRequest>): void {
  if (!setup.peek()) return;
  setup.value = { ...setup.peek()!, ...fields };
  refusal.value = null;
  // Files are large, and the browser's storage is not.
  keepJson("compare", { ...setup.peek()!, attachments: [] });
}

/** One column for each form of these weights. */
export function compareForms(id: string): void {
  const forms = chatModels.peek().filter((model) => family(model.id) === family(id)).slice(0, 6);
  change({ columns: forms.map((model) => ({ model: model.id })), reference: 0 });
  if (forms.length < 2) tell(m.compare.noForms);
}

let controller = new AbortController();

effect(() => {
  const here = route.value;
  if (here.tab === "compare") void openComparison(here.id);
});

async function openComparison(id: string | null): Promise<void> {
  if (id !== null && open.peek()?.id === id) return;
  controller.abort();
  batch(() => {
    open.value = null;
    problem.value = null;
    cells.value = new Map();
    texts.value = new Map();
  });
  if (id !== null) await reread(id);
}

export async function reread(id = open.peek()?.id ?? (route.peek() as { id?: string | null }).id): Promise<void> {
  if (!id) return;
  const here = () => (route.peek() as { id?: string | null }).id === id;
  try {
    const found = await call<Comparison>("GET", at(id));
    if (!here()) return;
    batch(() => {
      open.value = found;
      problem.value = null;
    });
    if (found.status === "generating") void listen((after, signal) => request("GET", at(id, `/events?after=${after}`), undefined, signal), id);
  } catch (error) {
    if (!here()) return;
    if (error instanceof ApiFailure && error.gone) problem.value = "gone";
    else if (error instanceof Unreachable) problem.value = open.peek() ? null : "away";
    else tell(reason(error), true);
  }
}

whenBack(() => {
  if (route.peek().tab === "compare") void reread();
  void refreshList();
});

export async function refreshList(): Promise<void> {
  try {
    const page = await call<Page<Comparison>>("GET", "/api/compare?limit=100");
    list.value = page.data;
    hasMore.value = page.has_more;
  } catch {
    // The banner tells.
  }
}

export async function fetchMore(): Promise<void> {
  const last = list.peek()?.at(-1);
  if (!last) return;
  await attempt(async () => {
    const page = await call<Page<Comparison>>("GET", `/api/compare?limit=100&before=${encodeURIComponent(last.id)}`);
    list.value = [...list.peek()!, ...page.data];
    hasMore.value = page.has_more;
  });
}

let frame = 0;
let fresh = new Map<string, { text: string; reasoning: string }>();
let freshCells = new Map<string, LiveCell>();

function paint(): void {
  if (frame) return;
  frame = requestAnimationFrame(() => {
    frame = 0;
    batch(() => {
      texts.value = new Map(fresh);
      cells.value = new Map(freshCells);
    });
  });
}

/** Follows a comparison to its end. `begin` is how the first request is made. */
async function listen(begin: (after: number, signal: AbortSignal) => Promise<Response>, id: string | null = null): Promise<void> {
  controller.abort();
  controller = new AbortController();
  const { signal } = controller;
  fresh = new Map();
  freshCells = new Map();
  let known = id;
  const joined = (after: number) => (after === 0 || !known ? begin(after, signal) : request("GET", at(known, `/events?after=${after}`), undefined, signal));
  await follow<CompareEvent>(joined, (event) => {
    if (event.type === "comparison") {
      known = event.comparison.id;
      open.value = { ...event.comparison, status: "generating" };
      if ((route.peek() as { id?: string | null }).id !== known) go(comparePath(known));
      void refreshList();
    } else if (event.type === "end") {
      cancelAnimationFrame(frame);
      frame = 0;
      batch(() => {
        open.value = event.comparison;
        cells.value = new Map();
        texts.value = new Map();
      });
      say(m.compare.finished(event.comparison.request.columns.length));
      void refreshList();
    } else if (event.type === "result") {
      const results = open.peek()?.results ?? { cells: [], summary: [], machine: null };
      const others = (results.cells ?? []).filter((cell) => keyOf(cell) !== keyOf(event));
      open.value = { ...open.peek()!, results: { ...results, cells: [...others, { ...event.result, prompt: event.prompt, column: event.column, repetition: event.repetition }] } };
      freshCells.set(keyOf(event), { state: event.result.error ? "failed" : "done", share: null, position: null });
      paint();
    } else if (event.type === "cell") {
      freshCells.set(keyOf(event), { state: event.state, share: event.share, position: event.position });
      paint();
    } else {
      const before = fresh.get(keyOf(event)) ?? { text: "", reasoning: "" };
      fresh.set(keyOf(event), { ...before, [event.type]: before[event.type] + event.text });
      paint();
    }
  }, signal).catch((error: unknown) => {
    if (!known || id === null && (error as ApiFailure).status !== 500) throw error;
    void reread(known);
  });
}

export async function run(): Promise<void> {
  const wanted = setup.peek();
  if (!wanted || starting.peek()) return;
  starting.value = true;
  refusal.value = null;
  const body = { ...wanted, prompts: wanted.prompts.filter((prompt) => prompt.trim() !== ""), title: null };
  const stopWaiting = effect(() => {
    if (open.value?.status === "generating") starting.value = false;
  });
  try {
    await listen((_, signal) => request("POST", "/api/compare", body, signal));
  } catch (error) {
    if ((error as Error).name !== "AbortError") refusal.value = reason(error);
  } finally {
    stopWaiting();
    starting.value = false;
  }
}

export async function rerun(prompt: number, column: number): Promise<void> {
  const id = open.peek()?.id;
  if (!id || running.peek()) return;
  await attempt(() => listen((_, signal) => request("POST", at(id, "/rerun"), { prompt, column }, signal)));
}

export async function stop(column?: number): Promise<void> {
  const id = open.peek()?.id;
  if (id) await attempt(() => call("POST", at(id, "/stop"), column === undefined ? {} : { column }));
}

export async function rename(id: string, title: string): Promise<void> {
  await attempt(async () => noted(await call<Comparison>("PATCH", at(id), { title })));
}

export async function judge(change: Partial<Judgement>): Promise<void> {
  const c = open.peek();
  if (!c) return;
  const judgement = { votes: [], notes: "", ...c.judgement, ...change };
  open.value = { ...c, judgement };
  await attempt(async () => noted(await call<Comparison>("PATCH", at(c.id), { judgement })));
}

export async function vote(prompt: number, choice: string): Promise<void> {
  const votes = open.peek()?.judgement?.votes ?? [];
  const others = votes.filter((one) => one.prompt !== prompt);
  const before = votes.find((one) => one.prompt === prompt);
  const next = before?.vote === choice ? others : [...others, { prompt, vote: choice, blind: blind.peek() && !before }];
  await judge({ votes: next });
}

function noted(changed: Comparison): void {
  list.value = list.peek()?.map((one) => (one.id === changed.id ? { ...one, title: changed.title, judgement: changed.judgement } : one)) ?? null;
  const c = open.peek();
  if (c?.id === changed.id) open.value = { ...c, title: changed.title, judgement: changed.judgement };
}

export async function remove(id: string): Promise<void> {
  if (!(await confirmed(m.compare.deleteTitle, m.side.deleteText, m.remove))) return;
  await attempt(async () => {
    await call("DELETE", at(id));
    list.value = list.peek()?.filter((one) => one.id !== id) ?? null;
    if (open.peek()?.id === id || (route.peek() as { id?: string | null }).id === id) go("/compare", true);
  });
}

/** Makes a conversation of a prompt and the answer of a column, to be continued. */
export async function continueChat(prompt: number, column: number, repetition: number): Promise<void> {
  const c = open.peek();
  const cell = c?.results?.cells.find((one) => one.prompt === prompt && one.column === column && one.repetition === repetition);
  if (!c || !cell) return;
  const asked = c.request.columns[column]!;
  const parameters = { ...c.request.parameters, ...asked.parameters };
  const files = (c.request.attachments ?? []).map((file, index) => ({ id: `file_${index}`, ...file }));
  const now = Date.now();
  const document = {
    format: "tern-conversations", version: 1,
    conversations: [{
      id: "", title: "", model: asked.model, system_prompt: c.request.system_prompt ?? null, parameters, created_ms: now, updated_ms: now, current: "answer",
      tree: [
        { id: "question", parent: null, role: "user", content: c.request.prompts[prompt], created_ms: cell.started_ms, attachments: files.map(({ id, name, media_type }) => ({ id, name, media_type })) },
        { id: "answer", parent: "question", role: "assistant", content: cell.text, reasoning: cell.reasoning, created_ms: cell.started_ms,
          answer: { model: cell.model, engine: cell.engine ?? "", finish_reason: cell.finish_reason, parameters } },
      ],
      files: Object.fromEntries(files.map(({ id, data }) => [id, data])),
    }],
  };
  await attempt(async () => {
    const { imported, skipped } = await call<{ imported: string[]; skipped: { reason: string }[] }>("POST", "/api/conversations/import", document);
    if (!imported[0]) throw new Error(skipped[0]?.reason);
    go(chatPath(imported[0]));
  });
}

export function editAgain(): void {
  const c = open.peek();
  if (c) change({ ...usual(), ...c.request, title: null });
  go("/compare");
}

effect(() => keepJson("blind", blind.value));
