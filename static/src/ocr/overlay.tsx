// The picture with a shape over each word. Its pixels are the units of the overlay, so that both are scaled together.

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { m } from "../i18n";
import { percent } from "../lib/format";
import { middle, points } from "../lib/polygons";
import { DOUBTFUL, type Read, type Word, chosen } from "./state";

export function Overlay({ address, name, read }: { address: string; name: string; read: Read | null }) {
  const at = useSignal<Word | null>(null);
  const current = useSignal(0);
  const svg = useRef<SVGSVGElement>(null);
  const unshown = useSignal(false);
  useEffect(() => {
    at.value = null;
    current.value = 0;
  }, [read]);
  useEffect(() => (unshown.value = false, undefined), [address]);
  const words = read?.lines.flatMap((line, index) => line.words.map((word) => ({ word, line: index }))) ?? [];
  // One stop of the Tab key; arrows go from word to word.
  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    current.value = Math.min(words.length - 1, Math.max(0, current.value + step));
    svg.current?.querySelectorAll<SVGElement>("[data-word]")[current.value]?.focus();
  };
  const place = at.value && read ? middle(at.value.polygon, read.width, read.height) : null;
  return (
    <div class="preview">
      <div class="preview-inside">
        {unshown.value
          ? <svg class="preview-blank" viewBox={`0 0 ${read?.width ?? 4} ${read?.height ?? 3}`} role="img" aria-label={m.tasks.noPreview} />
          : <img src={address} alt={name} onError={() => (unshown.value = true)} />}
        {read && (
          <svg ref={svg} class="boxes" viewBox={`0 0 ${read.width} ${read.height}`} preserveAspectRatio="none" role="group" aria-label={m.ocr.words} onKeyDown={onKeyDown}>
            {chosen.value !== null && read.lines[chosen.value] && <polygon class="line-box" points={points(read.lines[chosen.value]!.polygon)} />}
            {words.map(({ word, line }, index) => (
              <polygon key={index} data-word={index} class={word.confidence < DOUBTFUL ? "doubtful" : ""} points={points(word.polygon)} role="img" aria-label={m.ocr.word(word.text, percent(word.confidence))} tabIndex={index === current.value ? 0 : -1}
                onMouseEnter={() => (at.value = word)} onMouseLeave={() => (at.value = null)} onFocus={() => { at.value = word; current.value = index; }} onBlur={() => (at.value = null)} onClick={() => (chosen.value = line)} />
            ))}
          </svg>
        )}
        {place && <span class={`word-tip ${place.y < 0.2 ? "below" : ""} ${place.x > 0.8 ? "end" : place.x < 0.2 ? "start" : ""}`} aria-hidden="true" style={{ left: `${place.x * 100}%`, top: `${place.y * 100}%` }}><b dir="auto">{at.value!.text}</b> {percent(at.value!.confidence)}</span>}
      </div>
    </div>
  );
}
