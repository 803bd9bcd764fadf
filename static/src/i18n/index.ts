// The texts of the page in the reader's language: `m.chat.send`. Another language is another file of the same shape.

import { en } from "./en";

export type Messages = typeof en;

const languages: Record<string, Messages> = { en };
const wished = typeof navigator === "undefined" ? [] : navigator.languages;
const language = wished.map((tag) => tag.split("-")[0]!).find((tag) => tag in languages) ?? "en";

export const m: Messages = languages[language]!;
