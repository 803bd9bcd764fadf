// Which way a text runs. `dir="auto"` says the same, but Chromium takes seconds for a megabyte in a field.

const RTL = /[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}\p{Script=Adlam}]/u;

/** By the first letter, as `auto` does. */
export function direction(text: string): "ltr" | "rtl" {
  const letter = /\p{L}/u.exec(text.slice(0, 1000))?.[0];
  return letter !== undefined && RTL.test(letter) ? "rtl" : "ltr";
}
