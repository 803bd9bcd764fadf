import { describe, expect, it } from "vitest";
import { type Tab, offered } from "./tabs";

const tab = (needs: Partial<Tab>): Tab => ({ id: "x", page: () => Promise.reject(new Error("not opened")), ...needs });
const models = [{ capabilities: ["completion", "chat"] }, { capabilities: ["ner"] }];

describe("a tab is offered", () => {
  it("always where it needs nothing", () => expect(offered(tab({}), null, null)).toBe(true));
  it("where a model can do one of its tasks", () => {
    expect(offered(tab({ capabilities: ["ner"] }), [], models)).toBe(true);
    expect(offered(tab({ capabilities: ["caption", "chat"] }), [], models)).toBe(true);
    expect(offered(tab({ capabilities: ["ocr"] }), [], models)).toBe(false);
  });
  it("not before it is known what models can do", () => expect(offered(tab({ capabilities: ["ner"] }), [], null)).toBe(false));
  it("where the server has its feature, or does not say", () => {
    expect(offered(tab({ features: ["compare"] }), ["compare"], null)).toBe(true);
    expect(offered(tab({ features: ["compare"] }), null, null)).toBe(true);
    expect(offered(tab({ features: ["compare"] }), [], models)).toBe(false);
  });
});
