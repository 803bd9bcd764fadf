// What was typed and not sent, by conversation. The oldest go when there are many.

import { keepJson, recallJson } from "./keep";

const MOST = 50;
type Drafts = [string, string][];

export function draftOf(key: string): string {
  return recallJson<Drafts>("drafts", []).find(([k]) => k === key)?.[1] ?? "";
}

export function keepDraft(key: string, text: string): void {
  // Read again each time: another tab may have written.
  const others = recallJson<Drafts>("drafts", []).filter(([k]) => k !== key);
  const all: Drafts = text.trim() === "" ? others : [[key, text], ...others];
  keepJson("drafts", all.slice(0, MOST));
}
