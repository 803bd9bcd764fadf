// Names in a text: what is asked, and what was found.

import { signal } from "@preact/signals";
import { call } from "../api";
import { m } from "../i18n";
import { say } from "../ui/notice";
import { Job } from "../tasks/job";
import { Choice } from "../tasks/model";

export interface Entity {
  entity_group: string;
  word: string;
  score: number;
  /** Code points. */
  start: number;
  end: number;
  byte_start: number;
  byte_end: number;
}

export interface Answer {
  model: string;
  data: { index: number; entities: Entity[] }[];
  usage: { prompt_tokens: number; total_tokens: number };
  timings: { total_ms: number; load_ms: number };
}

export const AGGREGATIONS = ["simple", "first", "average", "max"] as const;

export const choice = new Choice("ner", ["ner"]);
export const job = new Job();
export const text = signal("");
export const aggregation = signal<(typeof AGGREGATIONS)[number]>("first");
export const found = signal<{ text: string; answer: Answer; entities: Entity[] } | null>(null);
/** Groups that are not shown. */
export const hidden = signal<ReadonlySet<string>>(new Set());

export const body = () => ({ model: choice.chosen?.id, input: text.value.toWellFormed(), aggregation_strategy: aggregation.value });

export const run = () => job.run(choice.chosen?.id ?? null, async (signal) => {
  const asked = body();
  const answer = await call<Answer>("POST", "/api/ner", asked, signal);
  const entities = answer.data[0]?.entities ?? [];
  found.value = { text: asked.input, answer, entities };
  hidden.value = new Set();
  say(m.entities.found(entities.length));
});

/** Groups as they come in the text, with their numbers. */
export function groupsOf(entities: readonly Entity[]): [string, number][] {
  const counts = new Map<string, number>();
  for (const { entity_group } of entities) counts.set(entity_group, (counts.get(entity_group) ?? 0) + 1);
  return [...counts];
}

const KNOWN = ["PER", "ORG", "LOC", "MISC"];

/** Which of the colours a group has: the usual ones always the same, others in their order. */
export function colour(group: string, groups: readonly [string, number][]): number {
  const known = KNOWN.indexOf(group);
  if (known >= 0) return known;
  const others = groups.map(([name]) => name).filter((name) => !KNOWN.includes(name));
  return 4 + (Math.max(others.indexOf(group), 0) % 4);
}
