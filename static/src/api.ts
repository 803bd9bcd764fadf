// What the server and the page say to each other: types of the API, and the one place that calls it.

import { connectionFailed, connectionWorks } from "./connection";
import { authorization, keyRefused } from "./key";

export type Parameters = Record<string, unknown>;
export type Status = "complete" | "generating" | "stopped" | "failed" | "interrupted";

export interface Conversation {
  id: string;
  title: string;
  title_is_given: boolean;
  tags: string[];
  pinned: boolean;
  archived: boolean;
  system_prompt: string | null;
  model: string | null;
  parameters: Parameters;
  created_ms: number;
  updated_ms: number;
  current: string | null;
  messages: number;
}

export interface TokenCounts {
  prompt_tokens: number;
  cached_tokens: number;
  completion_tokens: number;
  reasoning_tokens: number;
}

export interface Times {
  load_ms: number;
  queue_ms: number;
  prefill_ms: number;
  decode_ms: number;
  first_token_ms: number;
  total_ms: number;
  reasoning_ms: number;
}

export interface Attachment {
  id: string;
  name: string;
  media_type: string;
  bytes: number;
}

export interface Answer {
  model: string;
  engine: string;
  finish_reason: string | null;
  parameters: Parameters;
  usage: TokenCounts | null;
  timings: Times | null;
  error: string | null;
}

export interface Message {
  id: string;
  conversation: string;
  parent: string | null;
  role: "system" | "user" | "assistant" | "tool";
  content: string;
  reasoning: string | null;
  attachments: Attachment[];
  created_ms: number;
  status: Status;
  answer: Answer | null;
  /** Of an answer that a program asked for. */
  tool_calls?: { id: string; name: string; arguments: string }[];
}

export type Whole = Conversation & { tree: Message[] };

export interface Page<T> {
  data: T[];
  has_more: boolean;
  total: number;
}

export interface Hit {
  conversation: Conversation;
  message: string | null;
  snippet: string;
  highlights: [number, number][];
}

export interface StoreState {
  path: string;
  bytes: number;
  saved: boolean;
  reason: string | null;
  since_ms: number | null;
}

export interface Model {
  id: string;
  aliases: string[];
  context_length: number;
  capabilities: string[];
  engine: string;
  quantization: string;
  status: { value: "unloaded" | "loading" | "loaded"; progress: number };
  memory: { weights_bytes: number; kv_bytes: number; fixed_bytes: number; total_bytes: number };
  meta: { name: string | null; architecture: string; n_params: number; size: number; license: string | null };
}

export interface CatalogFile {
  id: string;
  quantization: string;
  repository: string;
  file: string;
  bytes: number | null;
  engine: string;
  on_disk: boolean;
}

export interface CatalogEntry {
  name: string;
  title: string;
  parameters: string;
  license: string;
  files: CatalogFile[];
}

export interface ServerInfo {
  version: string;
  processors: number;
  threads: number;
  memory: { budget_bytes: number | null; used_bytes: number; rss_bytes: number | null };
  features: string[];
}

export interface PullEvent {
  status: "checking" | "downloading" | "verifying" | "done";
  file: string;
  bytes_done: number;
  bytes_total: number;
  model: string | null;
  error?: { message: string };
}

export type AnswerState = "queued" | "loading" | "prefill" | "thinking" | "writing";

export type AnswerEvent =
  | { type: "messages"; conversation: Conversation; messages: Message[] }
  | { type: "state"; state: AnswerState; share: number | null }
  | { type: "reasoning"; text: string }
  | { type: "text"; text: string }
  | { type: "saved"; saved: boolean; reason: string | null }
  | { type: "end"; message: Message; conversation: Conversation };

/** The server refused, or failed. */
export class ApiFailure extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly code: string | null = null,
    readonly param: string | null = null,
  ) {
    super(message);
  }
  get gone(): boolean {
    return this.status === 404;
  }
}

/** Nobody answered. */
export class Unreachable extends Error {}

async function failure(response: Response): Promise<ApiFailure> {
  const text = await response.text().catch(() => "");
  try {
    const { error } = JSON.parse(text) as { error: { message: string; code?: string; param?: string } };
    return new ApiFailure(response.status, error.message, error.code ?? null, error.param ?? null);
  } catch {
    return new ApiFailure(response.status, text.slice(0, 200) || `HTTP ${response.status}`);
  }
}

/** Asks the server; throws `ApiFailure` or `Unreachable`. An aborted request throws the browser's `AbortError`. */
export async function request(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Response> {
  const headers = authorization();
  const init: RequestInit = { method, headers };
  if (signal) init.signal = signal;
  if (body instanceof FormData) init.body = body;
  else if (body !== undefined) {
    headers["content-type"] = "application/json";
    init.body = typeof body === "string" ? body : JSON.stringify(body);
  }
  let response: Response;
  try {
    response = await fetch(path, init);
  } catch (error) {
    if (signal?.aborted) throw error;
    connectionFailed();
    throw new Unreachable();
  }
  connectionWorks();
  if (response.status === 401) keyRefused();
  if (!response.ok) throw await failure(response);
  return response;
}

export async function call<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  const response = await request(method, path, body, signal);
  return (await response.json()) as T;
}

const at = (...parts: string[]) => `/api/conversations/${parts.map(encodeURIComponent).join("/")}`;

export const api = {
  store: () => call<StoreState>("GET", "/api/store"),
  server: () => call<ServerInfo>("GET", "/api/server"),
  /** The models, without other names of them. */
  models: () =>
    call<{ data: (Model & { alias_of?: string })[] }>("GET", "/v1/models").then(({ data }) => ({ data: data.filter((model) => !model.alias_of) })),
  catalog: () => call<{ data: CatalogEntry[] }>("GET", "/api/catalog"),
  load: (model: string) => call<{ load_seconds: number }>("POST", "/api/models/load", { model }),
  unload: (model: string, force = false) => call<unknown>("POST", "/api/models/unload", { model, force }),
  deleteModel: (model: string) => call<unknown>("DELETE", `/api/models/${encodeURIComponent(model)}`),

  list: (query: URLSearchParams) => call<Page<Conversation>>("GET", `/api/conversations?${query}`),
  tags: () => call<{ data: { tag: string; count: number }[] }>("GET", "/api/conversations/tags"),
  search: (text: string, signal?: AbortSignal) =>
    call<{ data: Hit[] }>("GET", `/api/conversations/search?${new URLSearchParams({ q: text, limit: "30" })}`, undefined, signal),
  create: (fields: Partial<Conversation>) => call<Conversation>("POST", "/api/conversations", fields),
  read: (id: string) => call<Whole>("GET", at(id)),
  change: (id: string, fields: Partial<Conversation>) => call<Conversation>("PATCH", at(id), fields),
  remove: (ids: string[]) => call<{ deleted: number }>("POST", "/api/conversations/delete", { ids }),
  branch: (id: string, message: string) => call<Conversation>("POST", at(id, "branch"), { message }),
  suggestTitle: (id: string) => call<Conversation>("POST", at(id, "title"), { force: true }),
  import: (text: string) =>
    call<{ imported: string[]; skipped: { index: number; reason: string }[] }>("POST", "/api/conversations/import", text),
  changeMessage: (id: string, message: string, content: string) =>
    call<Message>("PATCH", at(id, "messages", message), { content }),
  removeMessage: (id: string, message: string) => call<Conversation>("DELETE", at(id, "messages", message)),
  stop: (id: string, message: string) => call<Message>("POST", at(id, "messages", message, "stop"), {}),
  send: (id: string, body: unknown, signal: AbortSignal) => request("POST", at(id, "messages"), body, signal),
  answerAgain: (id: string, message: string, body: unknown, signal: AbortSignal) =>
    request("POST", at(id, "messages", message, "answer"), body, signal),
  goOn: (id: string, message: string, signal: AbortSignal) =>
    request("POST", at(id, "messages", message, "continue"), {}, signal),
  events: (id: string, message: string, after: number, signal: AbortSignal) =>
    request("GET", `${at(id, "messages", message, "events")}?after=${after}`, undefined, signal),
  attachment: (id: string, file: string) => at(id, "attachments", file),
  export: (id: string | null, format: string) =>
    `${id ? at(id, "export") : "/api/conversations/export"}?format=${format}`,
};
