// Markdown of a model into HTML. The text is hostile: markup in it stays text, and what the parser makes of it is
// cleaned once more in safe.ts before it comes near the page.

import MarkdownIt from "markdown-it";
import type { StateBlock, StateInline, Token } from "markdown-it";
import { m } from "../i18n";

const md = new MarkdownIt({ html: false, linkify: true, typographer: false, breaks: false });

/** TeX between `$…$` or `\(…\)`; a dollar beside a digit or a space is money. */
function inlineMath(state: StateInline, silent: boolean): boolean {
  const { src, pos } = state;
  const dollar = src[pos] === "$";
  if (!dollar && !(src[pos] === "\\" && (src[pos + 1] === "(" || src[pos + 1] === "["))) return false;
  const double = src.startsWith("$$", pos) || src[pos + 1] === "[";
  const open = dollar ? (double ? "$$" : "$") : src.slice(pos, pos + 2);
  const close = open === "\\(" ? "\\)" : open === "\\[" ? "\\]" : open;
  const from = pos + open.length;
  let end = src.indexOf(close, from);
  while (dollar && end > 0 && src[end - 1] === "\\") end = src.indexOf(close, end + 1);
  if (end <= from) return false;
  const tex = src.slice(from, end);
  if (open === "$" && (/^\s|\s$|\n\n/.test(tex) || /\d/.test(src[end + 1] ?? ""))) return false;
  if (!silent) {
    const token = state.push("math", "span", 0);
    token.content = tex;
    token.markup = double ? "display" : "inline";
  }
  state.pos = end + close.length;
  return true;
}

/** A block that begins with `$$` or `\[` at the start of a line. */
function blockMath(state: StateBlock, startLine: number, endLine: number, silent: boolean): boolean {
  const lineAt = (line: number) => state.src.slice(state.bMarks[line]! + state.tShift[line]!, state.eMarks[line]!);
  const first = lineAt(startLine);
  const open = first.startsWith("$$") ? "$$" : first.startsWith("\\[") ? "\\[" : null;
  if (!open) return false;
  const close = open === "$$" ? "$$" : "\\]";
  let text = first.slice(2);
  let line = startLine;
  while (!text.trimEnd().endsWith(close)) {
    if (text.includes(close)) return false;
    line += 1;
    if (line >= endLine) return false;
    text += `\n${lineAt(line)}`;
  }
  if (silent) return true;
  const token = state.push("math", "div", 0);
  token.block = true;
  token.content = text.trimEnd().slice(0, -2);
  token.markup = "display";
  token.map = [startLine, line + 1];
  state.line = line + 1;
  return true;
}

md.inline.ruler.before("escape", "math", inlineMath);
md.block.ruler.before("fence", "math", blockMath, { alt: ["paragraph", "blockquote", "list"] });

const escape = md.utils.escapeHtml;

md.renderer.rules.math = (tokens: Token[], index: number) => {
  const token = tokens[index]!;
  const tag = token.block ? "div" : "span";
  return `<${tag} class="math" data-display="${token.markup === "display"}">${escape(token.content)}</${tag}>`;
};

const code = (content: string, language: string) =>
  `<pre class="code" data-lang="${escape(language)}"><code>${escape(content)}</code></pre>`;
md.renderer.rules.fence = (tokens: Token[], index: number) =>
  code(tokens[index]!.content, tokens[index]!.info.trim().split(/\s/)[0] ?? "");
md.renderer.rules.code_block = (tokens: Token[], index: number) => code(tokens[index]!.content, "");

// An image would tell its host that this answer was read; a link leaves the choice.
md.renderer.rules.image = (tokens: Token[], index: number) => {
  const token = tokens[index]!;
  const address = String(token.attrGet("src") ?? "");
  const label = escape(m.markdown.image(token.content || address));
  return md.validateLink(address) && /^https?:/i.test(address) ? `<a href="${escape(address)}">${label}</a>` : label;
};
// Cells are aligned with style attributes otherwise, which the policy of the server forbids.
for (const cell of ["th", "td"]) {
  md.renderer.rules[`${cell}_open`] = (tokens: Token[], index: number) => {
    const align = /text-align:(center|right)/.exec(String(tokens[index]!.attrGet("style") ?? ""));
    return align ? `<${cell} class="align-${align[1]}">` : `<${cell}>`;
  };
}
md.renderer.rules.table_open = () => '<div class="table"><table>';
md.renderer.rules.table_close = () => "</table></div>";

export interface Block {
  html: string;
  /** Where the next block begins in the text. */
  end: number;
}

/** The top-level blocks of a text, each as one element of HTML (not cleaned yet). */
export function blocks(text: string): Block[] {
  const env = {};
  const tokens = md.parse(text, env);
  const lines = lineStarts(text);
  const list: Block[] = [];
  let first = 0;
  let depth = 0;
  tokens.forEach((token, index) => {
    depth += token.nesting;
    if (depth > 0) return;
    const end = tokens[first]!.map?.[1] ?? lines.length;
    list.push({
      html: md.renderer.render(tokens.slice(first, index + 1), md.options, env),
      end: lines[end] ?? text.length,
    });
    first = index + 1;
  });
  return list;
}

function lineStarts(text: string): number[] {
  const starts = [0];
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return starts;
}
