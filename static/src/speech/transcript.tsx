// What was said: segments with their times, and the files they can be saved as.

import { useEffect, useRef } from "preact/hooks";
import { m } from "../i18n";
import { digits, duration } from "../lib/format";
import { reveal } from "../lib/scroll";
import { plain, segmentAt, shortClock, srt, vtt } from "../lib/subtitles";
import { download } from "../tasks/file";
import { CopyButton, Figures } from "../tasks/parts";
import type { Heard, Segment } from "./hearing";
import { languageName } from "./languages";
import { seek } from "./player";
import { length, position } from "./state";

export function TranscriptView({ heard, name }: { heard: Heard; name: string }) {
  const { segments } = heard;
  const base = name.replace(/\.[^.]+$/, "");
  const text = segments.length > 0 ? plain(segments) : `${heard.text.trim()}\n`;
  const seconds = heard.duration ?? length.value;
  const files: [string, string, () => string][] = [
    ["srt", "application/x-subrip", () => srt(segments)], ["vtt", "text/vtt", () => vtt(segments)],
    ["txt", "text/plain", () => text], ["json", "application/json", () => JSON.stringify(heard.raw, null, 2)],
  ];
  return (
    <section aria-label={m.speech.transcript}>
      <div class="row section-head">
        <h2>{m.speech.transcript}</h2>
        <span class="spring" />
        <CopyButton label={m.tasks.copyText} text={() => text} />
        {heard.done && (
          <div class="row" role="group" aria-label={m.speech.save}>
            {files.map(([ending, type, write]) => (
              <button type="button" key={ending} class="button small" aria-label={m.speech.saveAs(ending.toUpperCase())} disabled={segments.length === 0 && (ending === "srt" || ending === "vtt")} onClick={() => download(`${base}.${ending}`, type, write())}>{ending.toUpperCase()}</button>
            ))}
          </div>
        )}
      </div>
      <Figures values={[
        heard.language ? languageName(heard.language) : null,
        seconds !== null ? m.speech.long(shortClock(seconds)) : null,
        heard.done ? m.speech.took(duration(heard.ms)) : null,
        heard.load_ms ? m.tasks.load(duration(heard.load_ms)) : null,
        heard.done && seconds ? m.speech.factor(digits(heard.ms / 1000 / seconds), digits(seconds / (heard.ms / 1000))) : null,
      ]} />
      {segments.length > 0 ? <Segments segments={segments} growing={!heard.done} /> : <p class="transcript-text" dir="auto">{heard.text || m.speech.silence}</p>}
    </section>
  );
}

function Segments({ segments, growing }: { segments: readonly Segment[]; growing: boolean }) {
  const list = useRef<HTMLOListElement>(null);
  const current = position.value > 0 ? segmentAt(segments, position.value) : -1;
  useEffect(() => {
    reveal(list.current, current);
  }, [current]);
  return (
    <ol class="segments-list" ref={list} aria-label={m.speech.segments} aria-busy={growing}>
      {segments.map((one, index) => (
        <li key={index} class={index === current ? "current" : ""} aria-current={index === current ? "time" : undefined}>
          <button type="button" class="stamp" aria-label={m.speech.playFrom(shortClock(one.start))} onClick={() => seek(one.start)}>{shortClock(one.start)}</button>
          <span dir="auto">
            {one.words.length > 0
              ? one.words.map((word, at) => <><button type="button" key={at} class={`spoken ${index === current && position.value >= word.start && position.value < word.end ? "now" : ""}`} tabIndex={-1} title={`${digits(word.start)} s`} onClick={() => seek(word.start)}>{word.word.trim()}</button>{" "}</>)
              : one.text.trim()}
          </span>
        </li>
      ))}
    </ol>
  );
}
