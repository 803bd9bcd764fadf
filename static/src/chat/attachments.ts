// Files for a message. What the model cannot use is refused here, with the reason, before anything is sent.

import { m } from "../i18n";
import { bytes } from "../lib/format";
import { modelOf } from "../server";

export interface Chosen {
  name: string;
  media_type: string;
  size: number;
  data: string;
}

const MOST = 1_000_000;

/** The file ready to be sent, or why it cannot be. */
export async function checked(file: File, modelId: string | null): Promise<Chosen | string> {
  if (file.type.startsWith("image/")) {
    if (modelOf(modelId)?.capabilities.includes("vision") !== true) return m.chat.refusedImage(file.name, modelId ?? "");
  }
  if (file.size === 0) return m.chat.refusedEmpty(file.name);
  if (file.size > MOST) return m.chat.refusedSize(file.name, bytes(file.size), bytes(MOST));
  const content = new Uint8Array(await file.arrayBuffer());
  if (!file.type.startsWith("image/") && !isText(content)) return m.chat.refusedType(file.name);
  return { name: file.name, media_type: file.type || "text/plain", size: file.size, data: base64(content) };
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
