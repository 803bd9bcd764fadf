// What models say about a picture.

import { signal } from "@preact/signals";
import { call, request } from "../api";
import { m } from "../i18n";
import { frames } from "../lib/events";
import { say } from "../ui/notice";
import { form } from "../tasks/file";
import { Job } from "../tasks/job";
import { Choice } from "../tasks/model";
import { Picture } from "../tasks/picture";

export interface Said {
  key: number;
  /** `null`: a caption was asked for. */
  question: string | null;
  text: string;
  model: string;
  picture: string;
  ms: number | null;
  load_ms: number | null;
  tokens: number | null;
}

interface Described {
  model: string;
  text: string;
  usage: { completion_tokens: number };
  timings: { total_ms: number; load_ms?: number };
}

interface Chunk {
  error?: { message: string };
  choices?: { delta?: { content?: string | null } }[];
  usage?: { completion_tokens: number } | null;
  timings?: { load_ms?: number } | null;
}

export const choice = new Choice("vision", ["caption", "visual_questions", "vision"]);
export const picture = new Picture();
export const job = new Job();
export const question = signal("");
/** Newest first. */
export const said = signal<readonly Said[]>([]);

let keys = 0;

export const can = (wish: "caption" | "question"): boolean => {
  const able = choice.chosen?.capabilities ?? [];
  return able.includes("vision") || able.includes(wish === "caption" ? "caption" : "visual_questions");
};

export const describe = (asked: string | null) => job.run(choice.chosen?.id ?? null, async (signal) => {
  const model = choice.chosen!;
  const { file } = picture.given.peek()!;
  const fresh: Said = { key: keys++, question: asked, text: "", model: model.id, picture: file.name, ms: null, load_ms: null, tokens: null };
  const put = (fields: Partial<Said>) => {
    Object.assign(fresh, fields);
    said.value = [{ ...fresh }, ...said.peek().filter(({ key }) => key !== fresh.key)];
  };
  if (model.capabilities.includes(asked === null ? "caption" : "visual_questions")) {
    const answer = await call<Described>("POST", "/api/caption", form(file, { model: model.id, question: asked }), signal);
    put({ text: answer.text, model: answer.model, ms: answer.timings.total_ms, load_ms: answer.timings.load_ms ?? null, tokens: answer.usage.completion_tokens });
  } else await chat(model.id, file, asked ?? m.vision.describePrompt, put, signal);
  say(said.peek()[0]!.text);
});

/** A model that chats is asked as in a chat. */
async function chat(model: string, file: File, content: string, put: (fields: Partial<Said>) => void, signal: AbortSignal): Promise<void> {
  const began = performance.now();
  const url = await dataUrl(file);
  const parts = [{ type: "image_url", image_url: { url } }, { type: "text", text: content }];
  const body = { model, stream: true, stream_options: { include_usage: true }, messages: [{ role: "user", content: parts }], max_tokens: 300 };
  const response = await request("POST", "/v1/chat/completions", body, signal);
  let text = "";
  for await (const { data } of frames(response)) {
    if (data === "[DONE]") break;
    const chunk = JSON.parse(data) as Chunk;
    if (chunk.error) throw new Error(chunk.error.message);
    text += chunk.choices?.[0]?.delta?.content ?? "";
    if (text !== "") put({ text, ms: performance.now() - began });
    if (chunk.usage) put({ tokens: chunk.usage.completion_tokens, load_ms: chunk.timings?.load_ms ?? null });
  }
}

export function dataUrl(file: Blob): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result as string);
    reader.onerror = () => reject(reader.error ?? new Error(m.failed));
    reader.readAsDataURL(file);
  });
}
