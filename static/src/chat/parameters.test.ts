import { describe, expect, it } from "vitest";
import { RANGES, valid, withParameter } from "./parameters";

const range = (name: string) => RANGES.find((one) => one.name === name)!;

describe("parameters", () => {
  it("take and lose values", () => {
    expect(withParameter({ seed: 1 }, "temperature", 0)).toEqual({ seed: 1, temperature: 0 });
    expect(withParameter({ seed: 1, stop: ["x"] }, "stop", [])).toEqual({ seed: 1 });
    expect(withParameter({ seed: 1 }, "seed", NaN)).toEqual({});
  });
  it("have ranges", () => {
    expect(valid(range("temperature"), 2)).toBe(true);
    expect(valid(range("temperature"), 2.1)).toBe(false);
    expect(valid(range("max_tokens"), 0)).toBe(false);
    expect(valid(range("seed"), 1.5)).toBe(false);
    expect(valid(range("stop"), ["a"])).toBe(true);
    expect(valid(range("stop"), undefined)).toBe(true);
  });
});
