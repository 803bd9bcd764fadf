// Text in a picture: how it shall be read, and what was read.

import { signal } from "@preact/signals";
import { call } from "../api";
import { m } from "../i18n";
import { keepJson, recallJson } from "../lib/keep";
import type { Point } from "../lib/polygons";
import { say } from "../ui/notice";
import { form } from "../tasks/file";
import { Job } from "../tasks/job";
import { Choice } from "../tasks/model";
import { Picture } from "../tasks/picture";

export interface Word {
  text: string;
  /** 0 to 1. */
  confidence: number;
  polygon: Point[];
}

export interface Line extends Word {
  block: number;
  paragraph: number;
  words: Word[];
}

export interface Read {
  model: string;
  text: string;
  width: number;
  height: number;
  rotation: number | null;
  lines: Line[];
  timings: { total_ms: number };
}

export interface Reader {
  available: boolean;
  model: string | null;
  version: string | null;
  languages: string[];
  /** How to get it; `null` when it is there. */
  install: string | null;
}

/** Words below are marked as doubtful. */
export const DOUBTFUL = 0.6;

export const reader = signal<Reader | null>(null);
export const problem = signal<string | null>(null);
export const picture = new Picture();
export const choice = new Choice("ocr", ["ocr"]);
export const job = new Job();
export const languages = signal<string[]>(recallJson<string[]>("ocr-languages", []));
export const orientation = signal(false);
export const read = signal<Read | null>(null);
export const chosen = signal<number | null>(null);

export function setLanguages(next: string[]): void {
  languages.value = next;
  keepJson("ocr-languages", next);
}

/** The languages asked for of those that are there. */
export const asked = () => languages.value.filter((one) => reader.value?.languages.includes(one));

export const run = () => job.run(null, async (signal) => {
  const { file } = picture.given.peek()!;
  chosen.value = null;
  read.value = null;
  const wanted = asked();
  read.value = await call<Read>("POST", "/api/ocr", form(file, { model: choice.chosen?.id ?? null, language: wanted.length > 0 ? wanted : null, detect_orientation: orientation.value || null }), signal);
  say(m.ocr.done(read.value.lines.length));
});

/** The name of a language of Tesseract, `deu` or `chi_sim`. */
export function languageName(code: string): string {
  const [base, script] = code.split("_") as [string, string?];
  const own = { chi: "zh" }[base] ?? base;
  try {
    const name = new Intl.DisplayNames("en", { type: "language", fallback: "none" }).of(own);
    return name ? [name, script ? `(${m.ocr.scripts[script] ?? script})` : null].filter(Boolean).join(" ") : code;
  } catch {
    return code;
  }
}
