// The text that was read, line by line; a line that is chosen is shown in the picture.

import { useEffect, useRef } from "preact/hooks";
import { m } from "../i18n";
import { percent } from "../lib/format";
import { reveal } from "../lib/scroll";
import { DOUBTFUL, type Read, chosen } from "./state";

export function Lines({ read }: { read: Read }) {
  const list = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (chosen.value !== null) reveal(list.current, chosen.value);
  }, [chosen.value]);
  if (read.lines.length === 0) return <p class="quiet">{m.ocr.nothing}</p>;
  const onKeyDown = (event: KeyboardEvent) => {
    const from = chosen.value ?? -1;
    const next = { ArrowDown: from + 1, ArrowUp: from - 1, Home: 0, End: read.lines.length - 1 }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    chosen.value = Math.min(read.lines.length - 1, Math.max(0, next));
    (list.current?.children[chosen.value] as HTMLElement | undefined)?.focus({ preventScroll: true });
  };
  const doubtful = read.lines.some((line) => line.words.some((word) => word.confidence < DOUBTFUL));
  return (
    <>
      <div ref={list} class="ocr-lines" role="listbox" aria-label={m.ocr.lines} onKeyDown={onKeyDown}>
        {read.lines.map((line, index) => {
          const before = read.lines[index - 1];
          const starts = before !== undefined && (before.block !== line.block || before.paragraph !== line.paragraph);
          return (
            <div role="option" key={index} dir="auto" class={starts ? "paragraph" : ""} aria-selected={chosen.value === index} tabIndex={index === (chosen.value ?? 0) ? 0 : -1} onClick={() => (chosen.value = index)}>
              {line.words.map((word, at) => <>{at > 0 && " "}{word.confidence < DOUBTFUL ? <span class="doubtful" title={m.ocr.word(word.text, percent(word.confidence))}>{word.text}</span> : word.text}</>)}
            </div>
          );
        })}
      </div>
      {doubtful && <small><span class="doubtful">{m.ocr.doubtfulSample}</span> {m.ocr.doubtful(percent(DOUBTFUL))}</small>}
    </>
  );
}
