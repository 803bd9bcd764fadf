import { describe, expect, it } from "vitest";
import { actionOf, refusal, usable, written } from "./keys";

const press = (key: string, more: string[] = []) =>
  written({ key, ctrlKey: more.includes("ctrl"), metaKey: more.includes("meta"), altKey: more.includes("alt"), shiftKey: more.includes("shift") });

describe("written", () => {
  it("names letters by their capital", () => expect(press("o", ["ctrl", "shift"])).toBe("Ctrl+Shift+O"));
  it("takes Cmd for Ctrl", () => expect(press("k", ["meta"])).toBe("Ctrl+K"));
  it("does not care where a sign is", () => {
    expect(press("/", ["ctrl"])).toBe("Ctrl+/");
    expect(press("/", ["ctrl", "shift"])).toBe("Ctrl+/");
    expect(press("?", ["ctrl", "shift"])).toBe("Ctrl+/");
  });
  it("waits for a key behind Ctrl", () => expect(press("Control", ["ctrl"])).toBe(null));
});

describe("own keys", () => {
  it("replace the default ones", () => {
    expect(actionOf("Ctrl+B", {})).toBe("side");
    expect(actionOf("Ctrl+Shift+S", {})).toBe("side");
    expect(actionOf("Ctrl+Shift+S", { side: "Alt+S" })).toBe(null);
    expect(actionOf("Alt+S", { side: "Alt+S" })).toBe("side");
  });
  it("must be no typing, no key of the browser and no other action's", () => {
    expect(refusal("S", "side", {})).toBe("typing");
    expect(refusal("Shift+S", "side", {})).toBe("typing");
    expect(refusal("Escape", "side", {})).toBe("typing");
    expect(refusal("Ctrl+W", "side", {})).toBe("reserved");
    expect(refusal("Ctrl+K", "side", {})).toBe("search");
    expect(refusal("Ctrl+K", "side", { search: "F2" })).toBe(null);
    expect(refusal("F9", "side", {})).toBe(null);
  });
  it("that cannot be used are forgotten", () => {
    expect(usable({ side: "Alt+S", search: "x", help: 5, other: "F1" })).toEqual({ side: "Alt+S" });
    expect(usable(null)).toEqual({});
    expect(usable("Alt+S")).toEqual({});
  });
});
