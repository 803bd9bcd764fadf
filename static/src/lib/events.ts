// Server-sent events, read from a body that is already there: EventSource can neither POST nor be told apart from a
// broken connection.

export interface Frame {
  id: string | null;
  data: string;
}

/** Cuts text that arrives in arbitrary pieces into frames. */
export class FrameParser {
  private rest = "";
  private id: string | null = null;
  private data: string[] = [];

  push(piece: string): Frame[] {
    const frames: Frame[] = [];
    const lines = (this.rest + piece).split(/\r\n|\n|\r(?!$)/);
    this.rest = lines.pop() ?? "";
    for (const line of lines) {
      if (line === "") {
        if (this.data.length > 0) frames.push({ id: this.id, data: this.data.join("\n") });
        this.data = [];
        this.id = null;
        continue;
      }
      // A comment: the server shows that it is alive.
      if (line.startsWith(":")) continue;
      const colon = line.indexOf(":");
      const field = colon < 0 ? line : line.slice(0, colon);
      const value = colon < 0 ? "" : line.slice(colon + (line[colon + 1] === " " ? 2 : 1));
      if (field === "data") this.data.push(value);
      else if (field === "id") this.id = value;
    }
    return frames;
  }
}

/** A stream that has been silent for so long is dead: the server sends at least a comment every ten seconds. */
const SILENCE_MS = 35_000;

/** Reads frames until the body ends. Throws if it breaks off or falls silent. */
export async function* frames(response: Response): AsyncGenerator<Frame> {
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  const parser = new FrameParser();
  try {
    for (;;) {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const silence = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error("silent")), SILENCE_MS);
      });
      const { done, value } = await Promise.race([reader.read(), silence]).finally(() => clearTimeout(timer));
      if (done) return;
      yield* parser.push(value);
    }
  } finally {
    void reader.cancel().catch(() => {});
  }
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Follows a stream of events to its `[DONE]`, joining again behind the last event seen whenever the connection breaks.
 * `open` begins it at 0 and joins it behind another number. What `open` throws ends it, except that a server that does
 * not answer is tried again once something has been seen.
 */
export async function follow<E extends object>(
  open: (after: number) => Promise<Response>,
  onEvent: (event: E) => void,
  signal: AbortSignal,
): Promise<void> {
  let seen = 0;
  let pause = 500;
  for (;;) {
    try {
      const response = await open(seen);
      for await (const frame of frames(response)) {
        if (signal.aborted) return;
        if (frame.data === "[DONE]") return;
        if (frame.id !== null) seen = Number(frame.id);
        pause = 500;
        const event = JSON.parse(frame.data) as E & { error?: { message?: string } };
        // An error in the middle of a stream is an answer too: asking again would not help.
        if (event.error?.message && !("type" in event)) throw Object.assign(new Error(event.error.message), { status: 500 });
        onEvent(event);
      }
    } catch (error) {
      if (signal.aborted) return;
      if (seen === 0 || (error as { status?: number }).status !== undefined) throw error;
    }
    if (signal.aborted) return;
    if (seen === 0) throw new Error("the stream ended before it began");
    await sleep(pause);
    pause = Math.min(pause * 2, 10_000);
  }
}
