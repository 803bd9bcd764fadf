// The figures of a comparison: how they are grouped, written, and what each means.

import { bytes, count, digits, duration, rate } from "../lib/format";
import type { CellResult, Comparison, Statistic } from "./types";

export type Group = "speed" | "memory" | "length" | "quality";

export interface Figure {
  name: string;
  group: Group;
  format: (value: number) => string;
}

const tokens = (value: number) => rate(value) ?? "–";
const two = (value: number) => value.toFixed(2);
const share = (value: number) => `${(value * 100).toFixed(1)} %`;

const group = (group: Group, figures: [string, (value: number) => string][]): Figure[] =>
  figures.map(([name, format]) => ({ name, group, format }));

export const FIGURES: readonly Figure[] = [
  ...group("speed", [
    ["load_ms", duration], ["first_token_ms", duration], ["prefill_per_second", tokens], ["decode_per_second", tokens],
    ["token_ms_p50", duration], ["token_ms_p95", duration], ["queue_ms", duration], ["total_ms", duration], ["threads", count],
  ]),
  ...group("memory", [
    ["file_bytes", bytes], ["bits_per_weight", two], ["weights_bytes", bytes], ["kv_bytes", bytes],
    ["rss_before", bytes], ["rss_after", bytes], ["rss_peak", bytes],
  ]),
  ...group("length", [["prompt_tokens", count], ["cached_tokens", count], ["completion_tokens", count], ["words", count]]),
  ...group("quality", [["mean_logprob", two], ["perplexity", digits], ["top1_agreement", share], ["kl", (value) => (value < 0.001 ? value.toExponential(1) : digits(value))], ["similarity", (value) => value.toFixed(3)]]),
];

/** The figures in the strip of a column, which stays in view. */
export const STRIP = ["first_token_ms", "decode_per_second", "rss_peak"];

export interface Value {
  text: string;
  /** Written behind it: how far repetitions differ. */
  noise: string | null;
  best: boolean;
}

/** Mean of a figure over the cells of a column (of one prompt, or of all). */
export function value(comparison: Comparison, figure: Figure, column: number, prompt: number | null): Value | null {
  const cells = comparison.results?.cells ?? [];
  const summary = comparison.results?.summary.find((one) => one.column === column);
  const statistic = prompt === null || comparison.request.prompts.length === 1 ? (summary?.[figure.name] as Statistic | undefined) : undefined;
  const found = cells
    .filter((cell) => cell.column === column && (prompt === null || cell.prompt === prompt))
    .map((cell) => cell[figure.name])
    .filter((one): one is number => typeof one === "number");
  const mean = statistic?.mean ?? (found.length > 0 ? found.reduce((a, b) => a + b, 0) / found.length : null);
  if (mean === null) return null;
  const deviation = statistic?.deviation ?? null;
  return {
    text: figure.format(mean),
    noise: deviation !== null && (statistic?.n ?? 0) > 1 ? `± ${digits((deviation / mean) * 100)} %` : null,
    best: summary?.best.includes(figure.name) ?? false,
  };
}

/** Which models said how alike the answers are: one, unless cells ran again. */
export function judges(comparison: Comparison): string[] {
  return [...new Set((comparison.results?.cells ?? []).map((cell) => cell.similarity_model).filter((one): one is string => Boolean(one)))];
}

export interface Wins {
  model: string;
  wins: number;
  ties: number;
  compared: number;
}

/** Votes over comparisons, by what their columns are called. */
export function wins(comparisons: readonly Comparison[]): Wins[] {
  const table = new Map<string, Wins>();
  for (const { request, judgement } of comparisons) {
    const names = request?.columns?.map((column) => column.label || column.model) ?? [];
    for (const { vote } of judgement?.votes ?? []) {
      names.forEach((model, index) => {
        const row = table.get(model) ?? { model, wins: 0, ties: 0, compared: 0 };
        row.compared += 1;
        if (vote === String(index)) row.wins += 1;
        if (vote === "tie") row.ties += 1;
        table.set(model, row);
      });
    }
  }
  return [...table.values()].sort((a, b) => b.wins / b.compared - a.wins / a.compared || b.compared - a.compared);
}

/** Models that are the same weights in other forms: the id without what says the form. */
export function family(id: string): string {
  return id.toLowerCase().replace(/@.*$/, "").replace(/[:\-_.]?(i2_s|tq[12]_0|iq\d\w*|q\d(_[0-9a-z]+)*|b?f16|f32|int[48])$/, "");
}

/** Cells of a prompt and column in the order of their repetitions. */
export function repetitions(comparison: Comparison, prompt: number, column: number): CellResult[] {
  return (comparison.results?.cells ?? [])
    .filter((cell) => cell.prompt === prompt && cell.column === column)
    .sort((a, b) => a.repetition - b.repetition);
}

/** Positions of columns when names are hidden: the same for a comparison each time, another for the next one. */
export function shuffled(columns: number, id: string): number[] {
  let state = [...id].reduce((hash, letter) => Math.imul(hash ^ letter.charCodeAt(0), 16777619) >>> 0, 2166136261);
  const order = Array.from({ length: columns }, (_, index) => index);
  for (let i = columns - 1; i > 0; i--) {
    state = (Math.imul(state ^ (state >>> 15), 2246822519) + 374761393) >>> 0;
    const j = state % (i + 1);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}
