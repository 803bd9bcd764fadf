import { describe, expect, it } from "vitest";
import served from "../../src/api/page.rs?raw";
import { TASKS, type Tab, offered } from "./tabs";

const tab = (needs: Partial<Tab>): Tab => ({ id: "x", page: () => Promise.reject(new Error("not opened")), ...needs });
const models = [{ capabilities: ["completion", "chat"] }, { capabilities: ["ner"] }];

const known = (features: string[] | null, given: typeof models | null, catalogue: { name: string }[] | null = null) => ({ features, models: given, catalogue });

it("is at an address that the server knows", () => {
  const paths = /const TAB_PATHS: [^=]*= (\[[^\]]*\])/.exec(served)![1]!;
  expect(JSON.parse(paths)).toEqual(TASKS.map(({ id }) => id).sort());
});

describe("a tab is offered", () => {
  it("always where it needs nothing", () => expect(offered(tab({}), known(null, null))).toBe(true));
  it("where a model can do one of its tasks", () => {
    expect(offered(tab({ capabilities: ["ner"] }), known([], models))).toBe(true);
    expect(offered(tab({ capabilities: ["caption", "chat"] }), known([], models))).toBe(true);
    expect(offered(tab({ capabilities: ["ocr"] }), known([], models))).toBe(false);
  });
  it("not before it is known what models can do", () => expect(offered(tab({ capabilities: ["ner"] }), known([], null))).toBe(false));
  it("where the server has its feature, or does not say", () => {
    expect(offered(tab({ features: ["compare"] }), known(["compare"], null))).toBe(true);
    expect(offered(tab({ features: ["compare"] }), known(null, null))).toBe(true);
    expect(offered(tab({ features: ["compare"] }), known([], models))).toBe(false);
  });
  it("without a model where the catalogue has one, or the server says that it can without", () => {
    const speech = TASKS.find(({ id }) => id === "speech")!;
    expect(offered(speech, known([], models, [{ name: "qwen2.5-0.5b" }]))).toBe(false);
    expect(offered(speech, known([], models, [{ name: "whisper-base" }]))).toBe(true);
    const ocr = TASKS.find(({ id }) => id === "ocr")!;
    expect(offered(ocr, known(["ocr"], models))).toBe(true);
    expect(offered(ocr, known(null, models))).toBe(false);
  });
});
