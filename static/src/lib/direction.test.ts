import { expect, it } from "vitest";
import { direction } from "./direction";

it("goes by the first letter", () => {
  expect(direction("")).toBe("ltr");
  expect(direction("12 👋 hello مرحبا")).toBe("ltr");
  expect(direction("👋 مرحبا hello")).toBe("rtl");
  expect(direction("«שלום»")).toBe("rtl");
});
