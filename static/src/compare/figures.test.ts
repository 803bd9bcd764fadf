import { describe, expect, it } from "vitest";
import { FIGURES, family, shuffled, value, wins } from "./figures";
import type { Comparison } from "./types";

const figure = (name: string) => FIGURES.find((one) => one.name === name)!;
const comparison = (fields: unknown) => fields as Comparison;

describe("family", () => {
  const check = (id: string, expected: string) => it(id, () => expect(family(id)).toBe(expected));
  check("qwen2.5-0.5b:q4_k_m@llama", "qwen2.5-0.5b");
  check("qwen2.5-0.5b:q8_0@llama", "qwen2.5-0.5b");
  check("tern-guide-q8_0", "tern-guide");
  check("tern-guide", "tern-guide");
  check("bitnet-2b-4t:i2_s@bitnet", "bitnet-2b-4t");
  check("model.F16", "model");
});

describe("value", () => {
  const one = comparison({
    request: { prompts: ["a"], columns: [{ model: "m" }] },
    results: {
      cells: [{ prompt: 0, column: 0, repetition: 0, decode_per_second: 10, kl: null }, { prompt: 0, column: 0, repetition: 1, decode_per_second: 12, words: 5 }],
      summary: [{ column: 0, best: ["decode_per_second"], decode_per_second: { mean: 11, deviation: 1.1, n: 2 } }],
    },
  });
  it("has mean, noise and what the server calls best", () =>
    expect(value(one, figure("decode_per_second"), 0, 0)).toEqual({ text: "11 tok/s", noise: "± 10 %", best: true }));
  it("takes the mean where there is no summary", () => expect(value(one, figure("words"), 0, 0)?.text).toBe("5"));
  it("is nothing where nothing is known", () => expect(value(one, figure("kl"), 0, 0)).toBe(null));
});

it("counts wins over comparisons", () => {
  const list = [
    { request: { columns: [{ model: "a" }, { model: "b" }] }, judgement: { votes: [{ prompt: 0, vote: "1" }, { prompt: 1, vote: "tie" }], notes: "" } },
    { request: { columns: [{ model: "b" }, { model: "c", label: "C" }] }, judgement: { votes: [{ prompt: 0, vote: "bad" }], notes: "" } },
    { request: { columns: [] }, judgement: null },
  ].map(comparison);
  expect(wins(list)).toEqual([
    { model: "b", wins: 1, ties: 1, compared: 3 },
    { model: "a", wins: 0, ties: 1, compared: 2 },
    { model: "C", wins: 0, ties: 0, compared: 1 },
  ]);
});

it("shuffles the same way each time", () => {
  expect(shuffled(6, "cmp_x")).toEqual(shuffled(6, "cmp_x"));
  expect([...shuffled(6, "cmp_x")].sort()).toEqual([0, 1, 2, 3, 4, 5]);
  expect(new Set(Array.from({ length: 40 }, (_, i) => shuffled(3, `cmp_${i}`).join(""))).size).toBeGreaterThan(3);
});
