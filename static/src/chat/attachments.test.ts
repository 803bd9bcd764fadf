import { expect, it } from "vitest";
import { base64, isText } from "./attachments";

const utf8 = (text: string) => new TextEncoder().encode(text);

it("tells text from other files", () => {
  expect(isText(utf8("name,size\n日本\t1\r\n"))).toBe(true);
  expect(isText(new Uint8Array([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0]))).toBe(false);
  expect(isText(new Uint8Array([0xc3, 0x28]))).toBe(false);
});

it("encodes more than fits on a stack", () => {
  const long = new Uint8Array(300_000).fill(65);
  expect(base64(long)).toBe(btoa("A".repeat(300_000)));
  expect(base64(utf8("é"))).toBe("w6k=");
});
