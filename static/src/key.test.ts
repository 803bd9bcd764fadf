import { afterEach, beforeEach, expect, test, vi } from "vitest";

const stored = new Map<string, string>();
let cookies: string[] = [];

beforeEach(() => {
  vi.resetModules();
  stored.clear();
  cookies = [];
  vi.stubGlobal("localStorage", {
    getItem: (name: string) => stored.get(name) ?? null,
    setItem: (name: string, value: string) => stored.set(name, value),
    removeItem: (name: string) => stored.delete(name),
  });
  vi.stubGlobal("location", { protocol: "https:" });
  vi.stubGlobal("document", {
    set cookie(text: string) {
      cookies.push(text);
    },
  });
});

afterEach(() => vi.unstubAllGlobals());

test("a key is sent with every request, kept, and shown to the browser for what it fetches itself", async () => {
  const page = await import("./key");
  expect(page.authorization()).toEqual({});
  page.keyRefused();
  expect(page.keyWanted.value).toBe("missing");
  page.giveKey("  tern-secret ");
  expect(page.keyWanted.value).toBeNull();
  expect(page.authorization()).toEqual({ authorization: "Bearer tern-secret" });
  expect(stored.get("tern.key")).toBe("tern-secret");
  expect(cookies.at(-1)).toBe("tern_key=tern-secret; Path=/api; SameSite=Strict; Secure");
  page.keyRefused();
  expect(page.keyWanted.value).toBe("wrong");
});

test("a key that was kept is used from the start, and an empty one is forgotten", async () => {
  stored.set("tern.key", "tern-kept");
  const page = await import("./key");
  expect(page.authorization()).toEqual({ authorization: "Bearer tern-kept" });
  expect(cookies).toHaveLength(1);
  page.giveKey("");
  expect(page.authorization()).toEqual({});
  expect(stored.has("tern.key")).toBe(false);
  expect(cookies.at(-1)).toContain("Max-Age=0");
});
