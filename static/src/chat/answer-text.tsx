// Markdown of an answer, finished or growing.

import { type Signal, effect } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";
import { LiveMarkdown, onMarkdownClick } from "../lib/live-markdown";

export function AnswerText({ text, live }: { text: string; live: Signal<string> | null }) {
  const root = useRef<HTMLDivElement>(null);
  const markdown = useRef<LiveMarkdown | null>(null);
  useLayoutEffect(() => {
    markdown.current ??= new LiveMarkdown(root.current!);
    const shown = markdown.current;
    if (!live) {
      shown.update(text, true);
      return;
    }
    return effect(() => shown.update(live.value, false));
  }, [live, live ? "" : text]);
  return <div ref={root} class="markdown" dir="auto" onClick={onMarkdownClick} />;
}
