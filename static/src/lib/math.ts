// Formulas; loaded with the first one.

import katex from "katex";
import "katex/dist/katex.min.css";

/** `null` if the TeX is wrong: the text stays as it was written. */
export function typeset(tex: string, display: boolean): HTMLElement | null {
  const element = document.createElement(display ? "div" : "span");
  try {
    // Builds nodes and sets styles one by one, which the policy allows; a string with style attributes it would not.
    katex.render(tex, element, { displayMode: display, throwOnError: true, trust: false, strict: "ignore", maxSize: 20, maxExpand: 500 });
    return element;
  } catch {
    return null;
  }
}
