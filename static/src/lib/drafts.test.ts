import { beforeEach, describe, expect, it } from "vitest";
import { draftOf, keepDraft } from "./drafts";

const stored = new Map<string, string>();
globalThis.localStorage = {
  getItem: (key: string) => stored.get(key) ?? null,
  setItem: (key: string, value: string) => void stored.set(key, value),
  removeItem: (key: string) => void stored.delete(key),
} as unknown as Storage;

beforeEach(() => stored.clear());

describe("drafts", () => {
  it("are kept by conversation", () => {
    keepDraft("a", "one");
    keepDraft("b", "two");
    expect([draftOf("a"), draftOf("b"), draftOf("c")]).toEqual(["one", "two", ""]);
  });
  it("go when sent", () => {
    keepDraft("a", "one");
    keepDraft("a", "  ");
    expect(draftOf("a")).toBe("");
    expect(stored.get("tern.drafts")).toBe("[]");
  });
  it("do not pile up", () => {
    for (let i = 0; i < 60; i++) keepDraft(`c${i}`, "x");
    expect(draftOf("c9")).toBe("");
    expect(draftOf("c59")).toBe("x");
  });
  it("survive rubbish in the storage", () => {
    stored.set("tern.drafts", "{not json");
    expect(draftOf("a")).toBe("");
    keepDraft("a", "one");
    expect(draftOf("a")).toBe("one");
  });
});
