import { describe, expect, it } from "vitest";
import { FrameParser, follow } from "./events";

describe("frames", () => {
  const check = (pieces: string[], expected: [string | null, string][]) => {
    const parser = new FrameParser();
    const frames = pieces.flatMap((piece) => parser.push(piece));
    expect(frames.map((frame) => [frame.id, frame.data])).toEqual(expected);
  };
  it("one", () => check(["id: 1\ndata: {}\n\n"], [["1", "{}"]]));
  it("cut anywhere", () => check(["i", "d: 7\nda", "ta: a", "b\n", "\nda"], [["7", "ab"]]));
  it("several lines of data", () => check(["data: a\ndata: b\n\n"], [[null, "a\nb"]]));
  it("comments are skipped", () => check([": alive\n\ndata: x\n\n: alive\n\n"], [[null, "x"]]));
  it("carriage returns", () => check(["data: x\r\n\r", "\ndata: y\r\n\r\n"], [[null, "x"], [null, "y"]]));
  it("no space, no value", () => check(["data:x\n\ndata\n\n"], [[null, "x"], [null, ""]]));
  it("an id lasts one frame", () => check(["id: 1\ndata: a\n\ndata: b\n\n"], [["1", "a"], [null, "b"]]));
});

describe("follow", () => {
  const body = (text: string) => new Response(text);
  it("joins again behind what it has seen", async () => {
    const opened: number[] = [];
    const seen: unknown[] = [];
    const parts = ['id: 1\ndata: {"n":1}\n\nid: 2\ndata: {"n":2}\n\nid: 3\nda', 'id: 3\ndata: {"n":3}\n\ndata: [DONE]\n\n'];
    await follow(
      async (after) => {
        opened.push(after);
        return body(parts.shift()!);
      },
      (event: { n: number }) => seen.push(event.n),
      new AbortController().signal,
    );
    expect(opened).toEqual([0, 2]);
    expect(seen).toEqual([1, 2, 3]);
  });
  it("gives a refusal to the caller", async () => {
    const refused = Object.assign(new Error("no"), { status: 400 });
    const attempt = follow(() => Promise.reject(refused), () => {}, new AbortController().signal);
    await expect(attempt).rejects.toBe(refused);
  });
  it("ends at an error in the stream", async () => {
    const attempt = follow(async () => body('id: 1\ndata: {"type":"x"}\n\ndata: {"error":{"message":"broke"}}\n\n'), () => {}, new AbortController().signal);
    await expect(attempt).rejects.toThrow("broke");
  });
  it("does not repeat a request nobody has answered", async () => {
    let tries = 0;
    const attempt = follow(() => (tries++, Promise.reject(new Error("away"))), () => {}, new AbortController().signal);
    await expect(attempt).rejects.toThrow("away");
    expect(tries).toBe(1);
  });
});
