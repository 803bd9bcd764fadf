// Boxes of words in a picture. The overlay has the picture's pixels as its user units, so that the browser scales it with
// the preview.

export type Point = readonly [number, number];

/** For the attribute `points`. */
export const points = (polygon: readonly Point[]): string => polygon.map(([x, y]) => `${x},${y}`).join(" ");

/** Where the middle of a polygon is in a preview of `width` by `height`, as shares of its sides. */
export function middle(polygon: readonly Point[], width: number, height: number): { x: number; y: number } {
  const n = Math.max(polygon.length, 1);
  const sum = (axis: 0 | 1) => polygon.reduce((all, point) => all + point[axis], 0);
  const share = (value: number) => Math.min(1, Math.max(0, value));
  return { x: share(sum(0) / n / Math.max(width, 1)), y: share(sum(1) / n / Math.max(height, 1)) };
}

