// Markdown that may still be growing, kept up to date in an element.
//
// Every top-level block is one child. While text arrives, only the last block is parsed and put in again; the ones
// before it can change no more. What costs more than parsing (colours of code, formulas) waits until a block is done.

import { m } from "../i18n";
import { blocks } from "./markdown";
import { safe } from "./safe";

/** Longer texts are shown as they are: a megabyte of Markdown would hold the page up for seconds. */
const TOO_LONG = 120_000;

export class LiveMarkdown {
  private text = "";
  /** How much of the text is in finished blocks, and how many these are. */
  private done = 0;
  private finished = 0;

  constructor(private readonly root: HTMLElement) {}

  /** Shows `text`; `complete` says that it will not grow. */
  update(text: string, complete: boolean): void {
    if (text.length > TOO_LONG) {
      this.plain(text);
      return;
    }
    if (!text.startsWith(this.text.slice(0, this.done)) || this.root.firstElementChild?.classList.contains("plain")) {
      this.root.replaceChildren();
      this.done = 0;
      this.finished = 0;
    }
    this.text = text;
    const tail = text.slice(this.done);
    const list = blocks(tail);
    list.forEach((block, index) => {
      const last = index === list.length - 1;
      const whole = complete || !last;
      this.put(this.finished + index, block.html, whole);
    });
    while (this.root.children.length > this.finished + list.length) this.root.lastElementChild!.remove();
    const settled = complete ? list.length : list.length - 1;
    if (settled > 0) {
      this.done += list[settled - 1]!.end;
      this.finished += settled;
    }
    if (complete) {
      this.done = 0;
      this.finished = 0;
    }
  }

  private plain(text: string): void {
    const old = this.root.firstElementChild;
    const box = old?.classList.contains("plain") ? old : document.createElement("div");
    box.className = "plain";
    box.textContent = text;
    if (box !== old) this.root.replaceChildren(box);
    this.text = text;
    this.done = 0;
    this.finished = 0;
  }

  private put(place: number, html: string, whole: boolean): void {
    const old = this.root.children[place] as HTMLElement | undefined;
    const source = `${whole}${html}`;
    if (old && sources.get(old) === source) return;
    const fragment = safe(html);
    const fresh = (fragment.firstElementChild as HTMLElement | null) ?? document.createElement("p");
    // Code that is being written keeps its frame, so that a selection or a pressed button is not lost.
    const oldCode = old?.querySelector(":scope.code-block > pre > code");
    if (oldCode && fresh.matches("pre.code") && old!.dataset.lang === fresh.dataset.lang) {
      oldCode.textContent = fresh.textContent;
      sources.set(old!, source);
      if (whole) colour(old!);
      return;
    }
    const element = dressed(fresh, whole);
    sources.set(element, source);
    if (old) old.replaceWith(element);
    else this.root.append(element);
  }
}

const sources = new WeakMap<Element, string>();

/** Adds what Markdown does not have: frames with buttons around code, formulas, boxes that scroll. */
function dressed(element: HTMLElement, whole: boolean): HTMLElement {
  const holder = document.createElement("div");
  holder.append(element);
  for (const pre of holder.querySelectorAll<HTMLElement>("pre.code")) pre.replaceWith(framed(pre, whole));
  for (const table of holder.querySelectorAll<HTMLElement>(".table")) scrolls(table, m.markdown.table);
  if (whole) for (const math of holder.querySelectorAll<HTMLElement>(".math")) formula(math);
  return holder.firstElementChild as HTMLElement;
}

function scrolls(element: HTMLElement, label: string): void {
  element.tabIndex = 0;
  element.setAttribute("role", "region");
  element.setAttribute("aria-label", label);
}

function framed(pre: HTMLElement, whole: boolean): HTMLElement {
  const language = pre.dataset.lang ?? "";
  const box = document.createElement("div");
  box.className = "code-block";
  box.dataset.lang = language;
  const head = document.createElement("div");
  head.className = "code-head";
  const label = document.createElement("span");
  label.textContent = language || m.markdown.text;
  head.append(label, button("wrap", m.markdown.wrap), button("copy", m.copy));
  const body = document.createElement("pre");
  scrolls(body, m.markdown.code(language));
  body.append(...pre.childNodes);
  box.append(head, body);
  if (whole) colour(box);
  return box;
}

function button(action: string, text: string): HTMLButtonElement {
  const element = document.createElement("button");
  element.type = "button";
  element.dataset.action = action;
  element.textContent = text;
  if (action === "wrap") element.setAttribute("aria-pressed", "false");
  return element;
}

const idle: (work: () => void) => void =
  "requestIdleCallback" in window ? (work) => requestIdleCallback(work, { timeout: 2000 }) : (work) => setTimeout(work, 50);

function colour(box: HTMLElement): void {
  const language = box.dataset.lang;
  const code = box.querySelector("code");
  if (!language || !code || code.textContent!.length > 50_000) return;
  idle(() => {
    void import("./highlight").then(({ highlighted }) => {
      const html = highlighted(code.textContent!, language);
      if (html !== null) code.replaceChildren(safe(html));
    }, () => {});
  });
}

const formulas = new Map<string, HTMLElement>();

function formula(element: HTMLElement): void {
  const tex = element.textContent!;
  const display = element.dataset.display === "true";
  const key = `${display}${tex}`;
  const known = formulas.get(key);
  if (known) {
    element.replaceChildren(known.cloneNode(true));
    return;
  }
  void import("./math").then(({ typeset }) => {
    const made = typeset(tex, display);
    if (!made) return;
    if (formulas.size > 500) formulas.clear();
    formulas.set(key, made);
    element.replaceChildren(made.cloneNode(true));
  }, () => {});
}

/** What the buttons in rendered Markdown do; `root` holds any number of texts. */
export function onMarkdownClick(event: MouseEvent): void {
  const pressed = (event.target as Element).closest<HTMLButtonElement>("button[data-action]");
  const box = pressed?.closest(".code-block");
  if (!pressed || !box) return;
  if (pressed.dataset.action === "wrap") {
    pressed.setAttribute("aria-pressed", String(box.classList.toggle("wrapped")));
    return;
  }
  void navigator.clipboard.writeText(box.querySelector("code")!.textContent!).then(() => {
    pressed.textContent = m.copied;
    setTimeout(() => (pressed.textContent = m.copy), 1500);
  });
}
