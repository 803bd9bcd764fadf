import { expect, it } from "vitest";
import { clock, plain, segmentAt, shortClock, srt, vtt } from "./subtitles";

const said = [
  { start: 0, end: 2.5, text: " Ask not <what>\n\n& why" },
  { start: 3661.0004, end: 3662.9996, text: "Done." },
];

it("writes SubRip", () => {
  expect(srt(said)).toBe("1\n00:00:00,000 --> 00:00:02,500\nAsk not <what>\n& why\n\n2\n01:01:01,000 --> 01:01:03,000\nDone.\n\n");
});

it("writes WebVTT, in which some characters are markup", () => {
  expect(vtt(said)).toBe("WEBVTT\n\n00:00:00.000 --> 00:00:02.500\nAsk not &lt;what&gt;\n&amp; why\n\n01:01:01.000 --> 01:01:03.000\nDone.\n\n");
  expect(vtt([])).toBe("WEBVTT\n\n");
});

it("rounds to milliseconds once, for all places of a time", () => expect(clock(59.9996, ".")).toBe("00:01:00.000"));

it("writes a line a segment", () => expect(plain([said[1]!, { start: 0, end: 1, text: " Two" }])).toBe("Done.\nTwo\n"));

it("shows times as short as they are", () => expect([0, 65.9, 3600].map(shortClock)).toEqual(["0:00", "1:05", "1:00:00"]));

it("finds what is heard", () => {
  expect([-1, 0, 2.9, 3661, 9999].map((seconds) => segmentAt(said, seconds))).toEqual([-1, 0, 0, 1, 1]);
});
