// Places in a text: the API counts Unicode code points, a string of the browser has UTF-16 units.

/** Turns code points into places of `text`; those behind its end are its end. */
export function unitsOf(text: string): (codePoint: number) => number {
  // Code points that take two units; a half without its other half is one of its own.
  const wide: number[] = [];
  let count = 0;
  for (const character of text) {
    if (character.length === 2) wide.push(count);
    count += 1;
  }
  return (codePoint) => {
    let low = 0;
    let high = wide.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (wide[middle]! < codePoint) low = middle + 1;
      else high = middle;
    }
    return Math.min(Math.max(codePoint, 0) + low, text.length);
  };
}

export interface Marked<T> {
  text: string;
  /** What is marked here; `null` between marks. */
  mark: T | null;
}

/** Cuts a text at its marks. Marks that are empty, or begin inside an earlier one, are left out. */
export function cut<T extends { start: number; end: number }>(text: string, marks: readonly T[]): Marked<T>[] {
  const units = unitsOf(text);
  const pieces: Marked<T>[] = [];
  let at = 0;
  for (const mark of [...marks].sort((a, b) => a.start - b.start)) {
    const [from, to] = [units(mark.start), units(mark.end)];
    if (from < at || to <= from) continue;
    if (from > at) pieces.push({ text: text.slice(at, from), mark: null });
    pieces.push({ text: text.slice(from, to), mark });
    at = to;
  }
  if (at < text.length) pieces.push({ text: text.slice(at), mark: null });
  return pieces;
}
