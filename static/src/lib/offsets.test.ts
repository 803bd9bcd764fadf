import { expect, it } from "vitest";
import { cut, unitsOf } from "./offsets";

it("counts characters outside the first plane twice", () => {
  const text = "👩‍🚀 Ada 𝔘 e\u0301";
  const units = unitsOf(text);
  const points = [...text];
  for (let n = 0; n <= points.length; n++) expect(units(n)).toBe(points.slice(0, n).join("").length);
  expect(units(999)).toBe(text.length);
});

it("takes half a pair for a character, as a decoder does", () => expect(unitsOf("\ud83d A")(2)).toBe(2));

it("cuts a text at its marks", () => {
  const text = "🎉 José met Ada 🎉 in Köln.";
  const marks = [{ start: 20, end: 24, group: "LOC" }, { start: 2, end: 6, group: "PER" }, { start: 11, end: 14, group: "PER" }];
  const pieces = cut(text, marks);
  expect(pieces.filter((one) => one.mark).map((one) => one.text)).toEqual(["José", "Ada", "Köln"]);
  expect(pieces.map((one) => one.text).join("")).toBe(text);
});

it("shows a place once where marks overlap", () => {
  const pieces = cut("abcdef", [{ start: 0, end: 4 }, { start: 2, end: 6 }, { start: 4, end: 4 }]);
  expect(pieces.map((one) => one.text)).toEqual(["abcd", "ef"]);
});
