// What the API of comparisons says.

import type { Parameters, Status } from "../api";

export interface Column {
  model: string;
  label?: string | null;
  parameters?: Parameters;
}

export type AssertionKind = "contains" | "not_contains" | "equals" | "regex" | "json" | "schema";

export interface CompareRequest {
  title?: string | null;
  prompts: string[];
  system_prompt?: string | null;
  /** `data` is base64. */
  attachments: { name: string; media_type: string; data: string }[];
  columns: Column[];
  parameters: Parameters;
  mode: "sequential" | "concurrent";
  repetitions: number;
  warmup: boolean;
  cache: "cold" | "warm";
  unload_between: boolean;
  reference: number;
  assertions: { kind: AssertionKind; value?: string | null }[];
  quality: boolean;
  embedding_model?: string | null;
}

export interface CellKey {
  prompt: number;
  column: number;
  repetition: number;
}

export type CellState = "waiting" | "loading" | "warming" | "prefill" | "thinking" | "writing" | "scoring" | "done" | "failed" | "stopped";

export interface CellResult extends CellKey {
  model: string;
  engine: string | null;
  text: string;
  reasoning: string | null;
  finish_reason: string | null;
  error: string | null;
  warning?: string | null;
  quality_note?: string | null;
  similarity_model?: string | null;
  assertions: (boolean | string)[];
  started_ms: number;
  timeline: { phase: string; from_ms: number; to_ms: number }[];
  [figure: string]: unknown;
}

export interface Statistic {
  mean: number | null;
  deviation: number | null;
  n: number;
}

export interface Summary {
  column: number;
  best: string[];
  [figure: string]: unknown;
}

export interface Results {
  cells: CellResult[];
  summary: Summary[];
  machine: { threads: number; load_average: number | null; processors: number; warning: string | null } | null;
}

export interface Judgement {
  votes: { prompt: number; vote: string; blind: boolean }[];
  notes: string;
}

export interface Comparison {
  id: string;
  title: string;
  created_ms: number;
  updated_ms: number;
  status: Status;
  request: CompareRequest;
  results: Results | null;
  judgement: Judgement | null;
}

export type CompareEvent =
  | { type: "comparison"; comparison: Comparison }
  | ({ type: "cell"; state: CellState; share: number | null; position: number | null } & CellKey)
  | ({ type: "text" | "reasoning"; text: string } & CellKey)
  | ({ type: "result"; result: CellResult } & CellKey)
  | { type: "end"; comparison: Comparison };

export const keyOf = ({ prompt, column, repetition }: CellKey) => `${prompt}/${column}/${repetition}`;
