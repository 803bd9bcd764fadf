// Puts a transcript together from what the server sends: events while it listens, or all of it at the end.

export interface SpokenWord {
  word: string;
  start: number;
  end: number;
}

export interface Segment {
  start: number;
  end: number;
  text: string;
  words: SpokenWord[];
}

export interface Heard {
  /** What there is while there are no segments. */
  text: string;
  segments: Segment[];
  language: string | null;
  /** Of the recording, in seconds. */
  duration: number | null;
  /** Since the request was sent. */
  ms: number;
  /** Before that, loading the model. */
  load_ms: number | null;
  done: boolean;
  /** As the server sent it, for the file. */
  raw: object | null;
}

interface Whole {
  text?: string;
  language?: string | null;
  duration?: number | null;
  segments?: (Partial<Segment> & { text: string; start: number; end: number })[] | null;
  words?: SpokenWord[] | null;
}

interface Event extends Whole {
  type?: string;
  delta?: string;
  start?: number;
  end?: number;
  error?: { message?: string };
}

export class Hearing {
  readonly now: Omit<Heard, "ms"> = { text: "", segments: [], language: null, duration: null, load_ms: null, done: false, raw: null };

  /** An event of the stream. Throws what the server says went wrong. */
  event(event: Event): void {
    if (event.error) throw new Error(event.error.message ?? "");
    if (event.type === "transcript.text.delta") this.now.text += event.delta ?? "";
    else if (event.type === "transcript.text.segment") this.segment(event as Segment);
    else if (event.type === "transcript.text.done") this.whole(event);
  }

  private segment({ start, end, text, words }: Segment): void {
    this.now.segments = [...this.now.segments, { start, end, text, words: words ?? [] }];
  }

  /** All of it; what it does not say again stays as it was. */
  whole(all: Whole): void {
    const { now } = this;
    now.raw = all;
    now.text = all.text ?? now.text;
    now.language = all.language ?? now.language;
    now.duration = all.duration ?? now.duration;
    if (all.segments) now.segments = all.segments.map(({ start, end, text, words }) => ({ start, end, text, words: words ?? [] }));
    if (all.words) now.segments = now.segments.map((segment, index) => ({ ...segment, words: wordsOf(segment, now.segments[index + 1] ?? null, all.words!) }));
  }
}

/** OpenAI lists words beside the segments: those of a segment begin before the next one does. */
function wordsOf(segment: Segment, next: Segment | null, words: readonly SpokenWord[]): SpokenWord[] {
  return words.filter(({ start }) => start >= segment.start - 0.001 && (next === null || start < next.start - 0.001));
}
