// A recording and its transcript.

import { signal } from "@preact/signals";
import { ApiFailure, call, request } from "../api";
import { m } from "../i18n";
import { frames } from "../lib/events";
import { say } from "../ui/notice";
import { Held, form } from "../tasks/file";
import { Job } from "../tasks/job";
import { Choice } from "../tasks/model";
import { type Heard, Hearing } from "./hearing";

/** What the server takes in one request. */
export const MOST = 256 << 20;

export const choice = new Choice("speech", ["transcription"]);
export const recording = new Held();
export const refused = signal<string | null>(null);
export const job = new Job();
export const language = signal("");
export const translate = signal(false);
export const words = signal(false);
export const heard = signal<Heard | null>(null);
/** Where the player is, in seconds. */
export const position = signal(0);
/** Of the recording, as the player knows it. */
export const length = signal<number | null>(null);

export const path = () => (translate.value ? "/v1/audio/translations" : "/v1/audio/transcriptions");

export function fields(): Record<string, string | boolean | readonly string[] | null> {
  return {
    model: choice.chosen?.id ?? null,
    language: translate.value ? null : language.value || null,
    response_format: "verbose_json",
    "timestamp_granularities[]": words.value ? ["segment", "word"] : ["segment"],
    stream: true,
  };
}

/** A server that streams no times says so before it begins: they are worth more than the text while it grows. */
async function ask(file: File, signal: AbortSignal): Promise<Response> {
  try {
    return await request("POST", path(), form(file, fields()), signal);
  } catch (error) {
    if (!(error instanceof ApiFailure) || error.param !== "stream") throw error;
    return request("POST", path(), form(file, { ...fields(), stream: null }), signal);
  }
}

export const run = () => job.run(choice.chosen?.id ?? null, async (signal) => {
  const { file } = recording.given.peek()!;
  const model = choice.chosen!;
  const hearing = new Hearing();
  heard.value = null;
  if (model.status.value !== "loaded") {
    // By itself, so that the time it takes is not taken for the model's.
    const { load_seconds } = await call<{ load_seconds: number }>("POST", "/api/models/load", { model: model.id }, signal);
    hearing.now.load_ms = load_seconds * 1000;
  }
  const began = performance.now();
  const put = () => (heard.value = { ...hearing.now, ms: performance.now() - began });
  const response = await ask(file, signal);
  if (response.headers.get("content-type")?.startsWith("text/event-stream")) {
    for await (const { data } of frames(response)) {
      if (data === "[DONE]") break;
      hearing.event(JSON.parse(data) as object);
      put();
    }
  } else hearing.whole((await response.json()) as object);
  put();
  heard.value = { ...heard.value!, done: true };
  say(m.speech.done(hearing.now.segments.length));
});
