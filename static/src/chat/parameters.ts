// The parameters of sampling that the page offers, with their ranges.

import type { Parameters } from "../api";

export interface Range {
  name: string;
  kind: "slider" | "number" | "lines";
  low: number;
  high: number;
  step: number;
  /** Where the slider stands while nothing is chosen. */
  usual: number;
}

const slider = (name: string, low: number, high: number, step: number, usual: number): Range => ({ name, kind: "slider", low, high, step, usual });
const number = (name: string, low: number, high: number): Range => ({ name, kind: "number", low, high, step: 1, usual: low });

export const RANGES: readonly Range[] = [
  slider("temperature", 0, 2, 0.1, 0.8),
  slider("top_p", 0, 1, 0.01, 0.95),
  slider("top_k", 0, 200, 1, 40),
  slider("min_p", 0, 1, 0.01, 0.05),
  number("max_tokens", 1, 1_000_000),
  number("seed", 0, Number.MAX_SAFE_INTEGER),
  slider("repeat_penalty", 0.5, 2, 0.05, 1),
  slider("presence_penalty", -2, 2, 0.1, 0),
  slider("frequency_penalty", -2, 2, 0.1, 0),
  { name: "stop", kind: "lines", low: 0, high: 0, step: 0, usual: 0 },
];

/** `parameters` with one changed; an empty value takes it out, so that the server's default counts. */
export function withParameter(parameters: Parameters, name: string, value: unknown): Parameters {
  const { [name]: _, ...rest } = parameters;
  const empty = value === null || value === "" || (Array.isArray(value) && value.length === 0) || Number.isNaN(value);
  return empty ? rest : { ...rest, [name]: value };
}

/** Whether a value can be sent. */
export function valid(range: Range, value: unknown): boolean {
  if (value === undefined) return true;
  if (range.kind === "lines") return Array.isArray(value) || typeof value === "string";
  if (typeof value !== "number" || value < range.low || value > range.high) return false;
  return range.kind === "slider" || Number.isInteger(value);
}

export function shown(value: unknown): string {
  return typeof value === "string" ? value : Array.isArray(value) ? value.join(", ") : JSON.stringify(value);
}
