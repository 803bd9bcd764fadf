import { describe, expect, it } from "vitest";
import { bytes, dateGroup, digits, duration, perSecond, percent, rate, seconds, weights, words } from "./format";

const all = <T>(name: string, format: (value: T) => unknown, cases: [T, unknown][]) =>
  describe(name, () => {
    for (const [value, expected] of cases) it(String(expected), () => expect(format(value)).toBe(expected));
  });

all("digits", digits, [[0, "0"], [0.1234, "0.123"], [3, "3"], [3.456, "3.46"], [41.04, "41"], [412.4, "412"], [12345, "12,345"], [NaN, "–"]]);
all("bytes", bytes, [[0, "0 B"], [999, "999 B"], [1000, "1 kB"], [1861504, "1.86 MB"], [14739328, "14.7 MB"], [812e6, "812 MB"], [999.9e6, "1 GB"], [1.19e9, "1.19 GB"]]);
all("duration", duration, [[0, "0 ms"], [0.0174, "0.017 ms"], [1.234, "1.2 ms"], [9.02, "9 ms"], [11, "11 ms"], [999.6, "1 s"], [1234, "1.23 s"], [12345, "12.3 s"], [59960, "1 min 0 s"], [125000, "2 min 5 s"], [3660000, "1 h 1 min"]]);
all("seconds", seconds, [[1500, "1.5 s"], [12400, "12 s"]]);
all("rate", rate, [[412.3, "412 tok/s"], [1, "1 tok/s"], [0.5, "2 s/token"], [0.3125, "3.2 s/token"], [0, null], [null, null], [Infinity, null]]);
all("weights", weights, [[3.68e6, "3.68M"], [1.54e9, "1.54B"], [32.8e9, "32.8B"], [512, "512"]]);
all("percent", percent, [[0, "0 %"], [0.003, "<1 %"], [0.034, "3 %"], [1.2, "120 %"]]);
all("words", words, [["", 0], ["One, two – three.", 3], ["don't re-use", 2], ["日本語を話す", 3], ["مرحبا بالعالم", 2]]);

it("nothing was measured", () => {
  expect(perSecond(0, 10)).toBe(null);
  expect(perSecond(10, 0)).toBe(null);
  expect(perSecond(10, 100)).toBe(100);
});

describe("dates", () => {
  const now = new Date(2026, 10, 24, 9, 0).getTime();
  const check = (date: Date, group: string) => it(group, () => expect(dateGroup(date.getTime(), now)).toBe(group));
  check(new Date(2026, 10, 24, 0, 0), "today");
  check(new Date(2026, 10, 23, 23, 59), "yesterday");
  check(new Date(2026, 10, 17, 0, 1), "lastWeek");
  check(new Date(2026, 9, 30), "lastMonth");
  check(new Date(2026, 8, 1), "older");
});
