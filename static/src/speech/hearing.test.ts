import { expect, it } from "vitest";
import { Hearing } from "./hearing";

it("grows with the events of a stream and ends as the server says", () => {
  const hearing = new Hearing();
  hearing.event({ type: "transcript.text.delta", delta: "Ask " });
  hearing.event({ type: "transcript.text.segment", start: 0, end: 1.5, text: "Ask not" });
  hearing.event({ type: "transcript.text.delta", delta: "not" });
  expect(hearing.now.text).toBe("Ask not");
  expect(hearing.now.segments).toEqual([{ start: 0, end: 1.5, text: "Ask not", words: [] }]);
  hearing.event({ type: "transcript.text.done", text: "Ask not.", language: "en" });
  expect(hearing.now).toMatchObject({ text: "Ask not.", language: "en", segments: [{ text: "Ask not" }] });
});

it("says what went wrong in the middle", () => {
  expect(() => new Hearing().event({ error: { message: "the recording breaks off" } })).toThrow("the recording breaks off");
});

it("gives each segment its words, also where times touch", () => {
  const hearing = new Hearing();
  const words = [{ word: "a", start: 0, end: 1 }, { word: "b", start: 1, end: 2 }, { word: "c", start: 2, end: 2.5 }];
  hearing.whole({ text: "a b c", duration: 3, segments: [{ start: 0, end: 1, text: "a" }, { start: 1, end: 3, text: "b c" }], words });
  expect(hearing.now.segments.map((one) => one.words.map(({ word }) => word))).toEqual([["a"], ["b", "c"]]);
});
