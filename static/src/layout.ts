// Whether the side bar is open, and how wide the window is.

import { signal } from "@preact/signals";
import { keep, recall } from "./lib/keep";

function media(query: string) {
  const list = matchMedia(query);
  const matches = signal(list.matches);
  list.addEventListener("change", () => (matches.value = list.matches));
  return matches;
}

/** The side bar lies over the page. */
export const narrow = media("(max-width: 899px)");
/** Columns become tabs. */
export const phone = media("(max-width: 699px)");

/** On a wide window the choice is remembered; on a narrow one the side bar is closed until asked for. */
const wideOpen = signal(recall("side") !== "closed");
const narrowOpen = signal(false);

export const sideOpen = () => (narrow.value ? narrowOpen.value : wideOpen.value);

export function setSide(open: boolean): void {
  if (narrow.peek()) narrowOpen.value = open;
  else {
    wideOpen.value = open;
    keep("side", open ? null : "closed");
  }
}

/** After a choice in the side bar. */
export function closeNarrowSide(): void {
  narrowOpen.value = false;
}
