// Files for a message. What the model cannot use is refused here, with the reason, before anything is sent.

import { type Model, call } from "../api";
import { m } from "../i18n";
import { bytes } from "../lib/format";
import { modelOf, models } from "../server";

export interface Chosen {
  name: string;
  media_type: string;
  size: number;
  data: string;
  /** Address of a picture, for its preview. */
  preview?: string;
}

const MOST = 1_000_000;
/** Pictures, and recordings before they are transcribed. Base64 makes a request a third longer; the server takes 32 MiB. */
const MOST_PICTURE = 20 << 20;
const MOST_RECORDING = 30 << 20;

/** SVG is text. */
export const isPicture = (type: string) => type.startsWith("image/") && type !== "image/svg+xml";
export const isRecording = (file: File) => /^(audio|video)\//.test(file.type);

/** The model that writes down recordings: one in memory, else the smallest. */
export function listener(): Model | null {
  const able = (models.value ?? []).filter((model) => model.capabilities.includes("transcription"));
  return able.find((model) => model.status.value === "loaded") ?? [...able].sort((a, b) => a.memory.weights_bytes - b.memory.weights_bytes)[0] ?? null;
}

/** As `checked`; a recording is written down and becomes a text. Throws what the server says against that. */
export async function taken(file: File, modelId: string | null, signal: AbortSignal): Promise<Chosen | string> {
  if (isRecording(file) && file.size > 0) return transcribed(file, signal);
  const result = await checked(file, modelId);
  return typeof result !== "string" && isPicture(file.type) ? { ...result, preview: URL.createObjectURL(file) } : result;
}

/** The file ready to be sent, or why it cannot be. */
export async function checked(file: File, modelId: string | null): Promise<Chosen | string> {
  if (file.size === 0) return m.chat.refusedEmpty(file.name);
  const most = isPicture(file.type) ? MOST_PICTURE : MOST;
  if (isPicture(file.type) && modelOf(modelId)?.capabilities.includes("vision") !== true) return m.chat.refusedImage(file.name, modelId ?? "");
  if (file.size > most) return m.chat.refusedSize(file.name, bytes(file.size), bytes(most));
  const content = new Uint8Array(await file.arrayBuffer());
  if (isPicture(file.type)) return { name: file.name, media_type: file.type, size: file.size, data: base64(content) };
  if (!isText(content)) return m.chat.refusedType(file.name);
  return { name: file.name, media_type: file.type || "text/plain", size: file.size, data: base64(content) };
}

/** What is said in a recording, as a text file beside the message. */
async function transcribed(file: File, signal: AbortSignal): Promise<Chosen | string> {
  const model = listener();
  if (!model) return m.chat.refusedRecording(file.name);
  if (file.size > MOST_RECORDING) return m.chat.refusedSize(file.name, bytes(file.size), bytes(MOST_RECORDING));
  const form = new FormData();
  form.append("model", model.id);
  form.append("response_format", "json");
  form.append("file", file, file.name);
  const { text } = await call<{ text: string }>("POST", "/v1/audio/transcriptions", form, signal);
  const content = new TextEncoder().encode(`${text.trim()}\n`);
  if (text.trim() === "") return m.chat.refusedSilence(file.name);
  return { name: `${file.name}.txt`, media_type: "text/plain", size: content.length, data: base64(content) };
}

/** The memory of previews is given back. */
export function forget(files: readonly Chosen[]): void {
  for (const { preview } of files) if (preview) URL.revokeObjectURL(preview);
}

/** UTF-8 without control characters; the name says too little. */
export function isText(content: Uint8Array): boolean {
  if (content.some((byte) => byte < 9 || (byte > 13 && byte < 32 && byte !== 27))) return false;
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(content);
    return true;
  } catch {
    return false;
  }
}

export function base64(content: Uint8Array): string {
  let text = "";
  for (let at = 0; at < content.length; at += 0x8000) text += String.fromCharCode(...content.subarray(at, at + 0x8000));
  return btoa(text);
}
