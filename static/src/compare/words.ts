// Which words of an answer differ from the reference's.

import { diffWordsWithSpace } from "diff";

export interface Part {
  text: string;
  kind: "same" | "added" | "removed";
}

/** Longer pairs would hold the page up. */
const MOST = 40_000;

export function difference(reference: string, text: string): Part[] | null {
  if (reference.length + text.length > MOST) return null;
  const parts = diffWordsWithSpace(reference, text, { timeout: 200 });
  return parts?.map((part) => ({ text: part.value, kind: part.added ? "added" : part.removed ? "removed" : "same" })) ?? null;
}
