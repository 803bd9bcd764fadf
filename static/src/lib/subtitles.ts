// Transcripts as files: SubRip, WebVTT and plain text.

export interface Spoken {
  /** Seconds. */
  start: number;
  end: number;
  text: string;
}

/** `01:02:03,450`: SubRip has a comma, WebVTT a point. */
export function clock(seconds: number, point: "," | "."): string {
  const all = Math.max(0, Math.round(seconds * 1000));
  const part = (value: number, length: number) => String(value).padStart(length, "0");
  return `${part(Math.floor(all / 3_600_000), 2)}:${part(Math.floor(all / 60_000) % 60, 2)}:${part(Math.floor(all / 1000) % 60, 2)}${point}${part(all % 1000, 3)}`;
}

/** `3:07`, or `1:03:07`: for reading. */
export function shortClock(seconds: number): string {
  const all = Math.max(0, Math.floor(seconds));
  const two = (value: number) => String(value).padStart(2, "0");
  return all >= 3600 ? `${Math.floor(all / 3600)}:${two(Math.floor(all / 60) % 60)}:${two(all % 60)}` : `${Math.floor(all / 60)}:${two(all % 60)}`;
}

/** Both formats end a cue at an empty line. */
const lines = (text: string) => text.trim().replace(/\s*\n\s*/g, "\n");

export function srt(segments: readonly Spoken[]): string {
  return segments.map((one, index) => `${index + 1}\n${clock(one.start, ",")} --> ${clock(one.end, ",")}\n${lines(one.text)}\n\n`).join("");
}

export function vtt(segments: readonly Spoken[]): string {
  const escaped = (text: string) => lines(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  return `WEBVTT\n\n${segments.map((one) => `${clock(one.start, ".")} --> ${clock(one.end, ".")}\n${escaped(one.text)}\n\n`).join("")}`;
}

export const plain = (segments: readonly Spoken[]): string => segments.map((one) => `${one.text.trim()}\n`).join("");

/** Which segment is heard at a time; -1 before the first. A pause belongs to the one before it. */
export function segmentAt(segments: readonly Spoken[], seconds: number): number {
  let found = -1;
  segments.forEach((one, index) => {
    if (one.start <= seconds + 0.01) found = index;
  });
  return found;
}
