import { expect, it } from "vitest";
import type { Message } from "../api";
import { filling } from "./context";

const question = (content: string) => ({ content, answer: null }) as Message;
const answer = (content: string, prompt_tokens: number, completion_tokens: number) =>
  ({ content, answer: { usage: { prompt_tokens, completion_tokens } } }) as Message;

it("is empty at first", () => expect(filling([], 0)).toEqual({ tokens: 0, exact: true }));
it("guesses what is typed", () => expect(filling([], 40)).toEqual({ tokens: 10, exact: false }));
it("counts what was answered", () => expect(filling([question("a"), answer("b", 70, 30)], 0)).toEqual({ tokens: 100, exact: true }));
it("learns the letters a token", () => {
  const path = [question("x".repeat(100)), answer("y".repeat(100), 60, 40)];
  expect(filling(path, 20).tokens).toBe(110);
});
it("adds a question that waits for its answer", () => expect(filling([question("a"), answer("b", 20, 20), question("c".repeat(8))], 0)).toEqual({ tokens: 42, exact: false }));
