import { describe, expect, it } from "vitest";
import type { Message } from "../api";
import { Tree, merged } from "./tree";

const message = (id: string, parent: string | null, content = "") => ({ id, parent, content }) as Message;
const ids = (messages: Message[]) => messages.map((m) => m.id).join(" ");

//  a ─ b ─ c        d is an edit of a; e and f are two answers to it
//  d ─ e
//    └ f ─ g
const tree = new Tree([
  message("a", null), message("b", "a"), message("c", "b"),
  message("d", null), message("e", "d"), message("f", "d"), message("g", "f"),
]);

describe("tree", () => {
  it("shows the path to the leaf", () => expect(ids(tree.path("c"))).toBe("a b c"));
  it("shows part of a branch", () => expect(ids(tree.path("f"))).toBe("d f"));
  it("falls back to the newest branch", () => expect(ids(tree.path("gone"))).toBe("d f g"));
  it("is empty without messages", () => expect(new Tree([]).path(null)).toEqual([]));
  it("finds siblings of first messages", () => expect(ids(tree.siblings(tree.get("a")!))).toBe("a d"));
  it("finds siblings of answers", () => expect(ids(tree.siblings(tree.get("f")!))).toBe("e f"));
  it("goes down to the newest leaf", () => expect(tree.newestBelow("d")).toBe("g"));
  it("stays at a leaf", () => expect(tree.newestBelow("c")).toBe("c"));
  it("counts what a deletion would take", () => expect(tree.countBelow(tree.get("d")!)).toBe(4));
  it("survives a circle", () => expect(new Tree([message("x", "y"), message("y", "x")]).path("x").length).toBeGreaterThan(0));
});

describe("merged", () => {
  it("replaces in place and appends", () => {
    const list = merged([message("a", null, "old"), message("b", "a")], [message("a", null, "new"), message("c", "b")]);
    expect(list.map((m) => m.id + m.content)).toEqual(["anew", "b", "c"]);
  });
});
