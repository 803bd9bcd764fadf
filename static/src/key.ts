// The key of a server that wants one: asked for once, kept in this browser, sent with every request.

import { signal } from "@preact/signals";
import { readAgain } from "./connection";
import { keep, recall } from "./lib/keep";

/** Whether the server has refused the key that this page has, or wants one that it has not. */
export const keyWanted = signal<"missing" | "wrong" | null>(null);

let key = recall("key");
if (key !== null) showToBrowser();

/** The header of a request. */
export function authorization(): Record<string, string> {
  return key === null ? {} : { authorization: `Bearer ${key}` };
}

/** The server refuses what was sent. */
export function keyRefused(): void {
  keyWanted.value = key === null ? "missing" : "wrong";
}

export function giveKey(text: string): void {
  key = text.trim() || null;
  keep("key", key);
  showToBrowser();
  keyWanted.value = null;
  readAgain();
}

/** Pictures and downloads are fetched by the browser itself, which sends no header of ours: for reading, a cookie does. Keys
 * are letters, digits and - . _ ~ + / =, all of which a cookie may have. */
function showToBrowser(): void {
  const secure = location.protocol === "https:" ? "; Secure" : "";
  const gone = key === null ? "; Max-Age=0" : "";
  document.cookie = `tern_key=${key ?? ""}; Path=/api; SameSite=Strict${secure}${gone}`;
}
