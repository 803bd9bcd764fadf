// The conversation that is open: its messages, the answers being written, and everything one can do to it.

import { batch, computed, effect, signal } from "@preact/signals";
import { ApiFailure, type Conversation, type Message, type Parameters, Unreachable, type Whole, api } from "../api";
import { whenBack } from "../connection";
import { m } from "../i18n";
import { keepDraft } from "../lib/drafts";
import { words } from "../lib/format";
import { keepJson, recallJson } from "../lib/keep";
import { Tree, merged } from "../lib/tree";
import { chatPath, go, route } from "../router";
import { modelOf, prefer, preferred } from "../server";
import { reason, say, tell } from "../ui/notice";
import { changed, goneElsewhere, noteGone } from "./list";
import { Run } from "./run";

/** What a new chat will be made with. */
export interface Wishes {
  model: string | null;
  system_prompt: string | null;
  parameters: Parameters;
}

export interface Outgoing {
  content: string;
  attachments: { name: string; media_type: string; data: string }[];
}

const noWishes: Wishes = { model: null, system_prompt: null, parameters: {} };

/** The id in the address; `null` is a chat that has not begun. */
export const openId = signal<string | null>(null);
export const conversation = signal<Conversation | null>(null);
export const messages = signal<Message[]>([]);
export const problem = signal<"gone" | "away" | null>(null);
export const loading = signal(false);
/** A message being sent that the server has not confirmed. */
export const sending = signal(false);
export const sendProblem = signal<string | null>(null);
/** The person's own message that is being edited. */
export const editing = signal<string | null>(null);
export const runs = signal<ReadonlyMap<string, Run>>(new Map());
export const wishes = signal<Wishes>(recallJson("wishes", noWishes));

export const tree = computed(() => new Tree(messages.value));
export const path = computed(() => tree.value.path(conversation.value?.current ?? null));
/** The answer of the branch shown that is being written. */
export const running = computed(() => {
  const last = path.value.at(-1);
  return last ? (runs.value.get(last.id) ?? null) : null;
});

/** Settings of the chat, begun or not. */
export const settings = computed<Wishes>(() => {
  const c = conversation.value;
  return c ? { model: c.model, system_prompt: c.system_prompt, parameters: c.parameters } : wishes.value;
});
export const model = computed(() => modelOf(settings.value.model) ?? (settings.value.model ? null : preferred.value));
export const modelId = computed(() => settings.value.model ?? preferred.value?.id ?? null);

/** Conversations read before, so that they can be read while the server is away. */
const remembered = new Map<string, Whole>();

function remember(): void {
  const c = conversation.peek();
  if (!c) return;
  remembered.delete(c.id);
  remembered.set(c.id, { ...c, tree: messages.peek() });
  if (remembered.size > 30) remembered.delete(remembered.keys().next().value!);
}

function showWhole({ tree: all, ...fields }: Whole): void {
  batch(() => {
    conversation.value = fields;
    messages.value = all;
    problem.value = null;
  });
  joinRunning();
}

effect(() => {
  const here = route.value;
  if (here.tab === "chat") void openConversation(here.id);
});

async function openConversation(id: string | null): Promise<void> {
  if (openId.peek() === id && (id === null || conversation.peek())) return;
  remember();
  void writeWishes();
  for (const run of runs.peek().values()) run.leave();
  batch(() => {
    openId.value = id;
    runs.value = new Map();
    editing.value = null;
    sendProblem.value = null;
    problem.value = null;
    conversation.value = null;
    messages.value = [];
    loading.value = id !== null;
  });
  if (id === null) return;
  const known = remembered.get(id);
  if (known) showWhole(known);
  await reread();
}

/** Reads the open conversation again. */
export async function reread(): Promise<void> {
  const id = openId.peek();
  if (id === null) return;
  try {
    const whole = await api.read(id);
    if (openId.peek() === id) showWhole(whole);
  } catch (error) {
    if (openId.peek() !== id) return;
    if (error instanceof ApiFailure && error.gone) {
      remembered.delete(id);
      problem.value = "gone";
      conversation.value = null;
      messages.value = [];
    } else if (error instanceof Unreachable) {
      if (!conversation.peek()) problem.value = "away";
    } else tell(reason(error), true);
  } finally {
    if (openId.peek() === id) loading.value = false;
  }
}

whenBack(() => void reread());
document.addEventListener("visibilitychange", () => {
  // Another tab may have written; while an answer runs here, the stream tells.
  if (!document.hidden && runs.peek().size === 0 && !sending.peek()) void reread();
});
goneElsewhere.push((ids) => {
  if (openId.peek() && ids.includes(openId.peek()!)) problem.value = "gone";
});
changed.push((fresh) => {
  if (fresh.id === conversation.peek()?.id) conversation.value = fresh;
});

function joinRunning(): void {
  for (const message of messages.peek()) {
    if (message.status !== "generating" || runs.peek().has(message.id)) continue;
    void start(null, message.id);
  }
}

/** Follows a stream; `begin` starts an answer, else `answer` is joined. Throws what refused the beginning. */
async function start(begin: ((signal: AbortSignal) => Promise<Response>) | null, answer: string | null, sent?: () => void): Promise<void> {
  const id = openId.peek()!;
  const here = () => openId.peek() === id;
  const run: Run = new Run(id, {
    begun(list, fresh) {
      sent?.();
      if (!here()) return;
      batch(() => {
        messages.value = merged(messages.peek(), list);
        if (begin) conversation.value = fresh;
        runs.value = new Map(runs.peek()).set(run.answer!, run);
      });
      const asked = list.find((message) => message.role === "assistant")?.answer?.model;
      if (begin && asked) say(m.chat.started(asked));
    },
    ended(message, fresh) {
      for (const listener of changed) listener(fresh);
      if (!here()) return;
      batch(() => {
        messages.value = merged(messages.peek(), [message]);
        forget(message.id);
      });
      speak(message);
    },
  });
  if (answer) runs.value = new Map(runs.peek()).set(answer, run);
  try {
    await run.follow(begin, answer);
  } catch (error) {
    // A refusal of the beginning belongs to whoever began; a stream that cannot be joined any more has ended.
    if (begin && !run.answer) throw error;
  }
  if (here() && run.answer && runs.peek().get(run.answer) === run) {
    forget(run.answer);
    await reread();
  }
}

function forget(answer: string): void {
  const rest = new Map(runs.peek());
  rest.delete(answer);
  runs.value = rest;
}

function speak(message: Message): void {
  const name = message.answer?.model ?? "";
  if (message.status === "failed") say(m.chat.failedStatus(name, message.answer?.error ?? ""));
  else if (message.status === "stopped") say(m.chat.stoppedStatus(name));
  else say(m.chat.finished(name, words(message.content)));
}

/** Makes the conversation if there is none yet. */
async function begun(): Promise<string> {
  const id = openId.peek();
  if (id !== null) return id;
  const fresh = await api.create({ ...wishes.peek(), model: modelId.peek() });
  batch(() => {
    conversation.value = fresh;
    openId.value = fresh.id;
    loading.value = false;
  });
  go(chatPath(fresh.id), true);
  for (const listener of changed) listener(fresh);
  return fresh.id;
}

/**
 * Sends a message. `instead` is the person's message it is an edit of. Gives whether it was sent; what refused it is in
 * `sendProblem`.
 */
export async function send(out: Outgoing, instead: Message | null = null): Promise<boolean> {
  if (sending.peek()) return false;
  sending.value = true;
  sendProblem.value = null;
  let sent = false;
  try {
    const id = await begun();
    await writeWishes();
    const last = path.peek().at(-1);
    const body = {
      content: out.content,
      attachments: out.attachments,
      parent: instead ? instead.parent : (last?.id ?? null),
      ...(instead ? { edit: true } : {}),
      ...(modelId.peek() ? { model: modelId.peek() } : {}),
    };
    return await new Promise<boolean>((resolve) => {
      const confirmed = () => {
        sent = true;
        sending.value = false;
        editing.value = null;
        resolve(true);
      };
      start((signal) => api.send(id, body, signal), null, confirmed).catch((error: unknown) => {
        refused(error);
        resolve(false);
      });
    });
  } catch (error) {
    refused(error);
    return false;
  } finally {
    if (!sent) sending.value = false;
  }
}

function refused(error: unknown): void {
  if (error instanceof ApiFailure && error.gone && error.code === "not_found") {
    // Deleted in another tab, or the branch is: see which.
    void reread();
  }
  sendProblem.value = reason(error);
}

export async function answerAgain(question: Message, withModel?: string): Promise<void> {
  const chosen = withModel ?? modelId.peek();
  await writeWishes();
  await act((id) => start((signal) => api.answerAgain(id, question.id, chosen ? { model: chosen } : {}, signal), null));
}

export async function goOn(answer: Message): Promise<void> {
  await act((id) => start((signal) => api.goOn(id, answer.id, signal), null));
}

export async function stop(): Promise<void> {
  const run = running.peek();
  if (run?.answer) await act((id) => api.stop(id, run.answer!));
}

export async function showBranch(message: Message): Promise<void> {
  const leaf = tree.peek().newestBelow(message.id);
  const before = conversation.peek();
  if (!before) return;
  conversation.value = { ...before, current: leaf };
  await act(async (id) => void (conversation.value = await api.change(id, { current: leaf })));
}

export async function removeMessage(message: Message): Promise<void> {
  await act(async (id) => {
    const fresh = await api.removeMessage(id, message.id);
    conversation.value = fresh;
    await reread();
  });
}

export async function changeText(message: Message, content: string): Promise<boolean> {
  return act(async (id) => void (messages.value = merged(messages.peek(), [await api.changeMessage(id, message.id, content)])));
}

export async function branchOff(message: Message): Promise<void> {
  await act(async (id) => {
    const fresh = await api.branch(id, message.id);
    for (const listener of changed) listener(fresh);
    go(chatPath(fresh.id));
  });
}

async function act(action: (id: string) => Promise<unknown>): Promise<boolean> {
  const id = openId.peek();
  if (id === null) return false;
  try {
    await action(id);
    return true;
  } catch (error) {
    tell(reason(error), true);
    if (error instanceof ApiFailure && error.gone) await reread();
    return false;
  }
}

let writing: ReturnType<typeof setTimeout> | undefined;
/** The conversation whose settings have not been written yet. */
let unwritten: string | null = null;

/** Changes model, instructions or parameters; of a chat that has begun, on the server a moment later. */
export function wish(fields: Partial<Wishes>): void {
  if (fields.model) prefer(fields.model);
  const c = conversation.peek();
  if (!c) {
    wishes.value = { ...wishes.peek(), ...fields };
    keepJson("wishes", { ...wishes.peek(), model: null });
    return;
  }
  conversation.value = { ...c, ...fields };
  clearTimeout(writing);
  unwritten = c.id;
  writing = setTimeout(() => void writeWishes(), 400);
}

/** Writes settings that are only here so far; whoever sends a message waits for it. */
async function writeWishes(): Promise<void> {
  clearTimeout(writing);
  const now = conversation.peek();
  if (unwritten === null || unwritten !== now?.id) return;
  unwritten = null;
  await act(async (id) => {
    const { model: chosen, system_prompt, parameters } = now;
    const fresh = await api.change(id, { model: chosen, system_prompt, parameters });
    if (conversation.peek() === now) for (const listener of changed) listener(fresh);
  });
}

export function newChat(): void {
  wishes.value = { ...noWishes, ...recallJson("wishes", noWishes), model: null };
  go("/");
}

export function closeGone(): void {
  const id = openId.peek();
  if (id) {
    keepDraft(id, "");
    noteGone([id]);
  }
  go("/", true);
}
