import { expect, it } from "vitest";
import { middle, points } from "./polygons";

const turned = [[30, 10], [30, 50], [10, 50], [10, 10]] as const;

it("writes the corners in their order, whichever way the word runs", () => expect(points(turned)).toBe("30,10 30,50 10,50 10,10"));

it("finds the middle as shares of the picture, however large it is shown", () => {
  expect(middle(turned, 100, 200)).toEqual({ x: 0.2, y: 0.15 });
  expect(middle([[90, 0], [130, 0], [130, 9], [90, 9]], 100, 0)).toEqual({ x: 1, y: 1 });
});
