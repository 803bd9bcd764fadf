import { describe, expect, it } from "vitest";
import { blocks } from "./markdown";

const html = (text: string) => blocks(text).map((block) => block.html.trim()).join("");

describe("hostile Markdown", () => {
  const check = (text: string, never: RegExp) => it(text, () => expect(html(text)).not.toMatch(never));
  check("<script>x()</script>", /<script/);
  check('<img src=x onerror="x()">', /<img/);
  check("[a](javascript:x())", /href="javascript/i);
  check("[a](JaVaScRiPt&colon;x())", /href="javascript/i);
  check("[a](data:text/html,x)", /href="data/);
  check("![a](https://evil.example/p.png)", /<img/);
  check('```"><script>\nx\n```', /<script/);
  check("$</span><script>x</script>$", /<script/);
});

describe("math", () => {
  const check = (text: string, tex: string | null) =>
    it(text, () => {
      const found = /class="math"[^>]*>([^<]*)</.exec(html(text));
      expect(found ? found[1] : null).toBe(tex);
    });
  check("a $x^2$ b", "x^2");
  check("costs $5 and $6", null);
  check("from $ 5 to 6 $", null);
  check("\\(x\\)", "x");
  check("$$\nx\n+y\n$$", "\nx\n+y\n");
  check("\\[\nx\n\\]", "\nx\n");
  check("`$x$`", null);
  check("a \\$5$ b", null);
});

describe("blocks", () => {
  it("are told apart, and say where the next begins", () => {
    const text = "# T\n\nfirst\nline\n\n- a\n- b\n\n```js\nx\n```\nlast";
    const list = blocks(text);
    expect(list.map((block) => /^<(\w+)/.exec(block.html)![1])).toEqual(["h1", "p", "ul", "pre", "p"]);
    expect(text.slice(list[1]!.end).trimStart().startsWith("- a")).toBe(true);
    expect(text.slice(list[3]!.end)).toBe("last");
  });
  it("grow only at the end", () => {
    const text = "one\n\n1. a\n2. b\n\n```\ncode\n\nmore\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\ntail";
    for (let cut = 1; cut < text.length; cut++) {
      const part = blocks(text.slice(0, cut));
      const whole = blocks(text);
      for (let i = 0; i < part.length - 1; i++) expect(part[i]!.html).toBe(whole[i]!.html);
    }
  });
});
