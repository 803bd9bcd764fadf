// One answer of a comparison: its state, its strip of figures, its text.

import { computed, useSignal } from "@preact/signals";
import { ChevronLeft, ChevronRight, MessageSquare, RotateCw, Square } from "lucide";
import { useEffect, useMemo } from "preact/hooks";
import { AnswerText } from "../chat/answer-text";
import { m } from "../i18n";
import { percent } from "../lib/format";
import { IconButton } from "../ui/button";
import { Icon } from "../ui/icon";
import { FIGURES, STRIP, repetitions, value } from "./figures";
import { cells, continueChat, rerun, running, stop, texts } from "./state";
import type { CellResult, Comparison } from "./types";
import type { Part } from "./words";

interface Props {
  comparison: Comparison;
  prompt: number;
  column: number;
  name: string;
  place: number;
  showDifference: boolean;
  focused: boolean;
  focus: () => void;
}

export function Cell({ comparison, prompt, column, name, place, showDifference, focused, focus }: Props) {
  const chosen = useSignal(0);
  const done = repetitions(comparison, prompt, column);
  // While a repetition runs it is the one that is shown.
  const busy = running.value ? busyRepetition(prompt, column) : null;
  const repetition = busy ?? Math.min(chosen.value, Math.max(0, done.length - 1));
  const key = `${prompt}/${column}/${repetition}`;
  const result = busy === null ? done.find((cell) => cell.repetition === repetition) ?? done[repetition] : undefined;
  const live = cells.value.get(key);
  const said = texts.value.get(key);
  const saying = useMemo(() => computed(() => texts.value.get(key)?.text ?? ""), [key]);
  const text = result?.text ?? "";
  return (
    <section class={`cell ${focused ? "focused" : ""}`} id={`cell-${prompt}-${column}`} aria-label={name} tabIndex={-1} onFocusCapture={focus}>
      <header class="cell-head">
        <div class="row cell-name">
          <b title={name}>{name}</b>
          <span class="spring" />
          <State live={live} result={result} />
        </div>
        <Strip comparison={comparison} prompt={prompt} column={column} />
      </header>
      <div class="cell-text">
        {result?.error && <p class="ending failed"><span>{m.chat.failed(result.error)}</span></p>}
        {result?.warning && <p class="warning">{result.warning}</p>}
        {(result?.reasoning || said?.reasoning) && (
          <details class="cell-thoughts"><summary>{m.chat.thoughtSome}</summary><div class="plain" dir="auto">{result?.reasoning || said?.reasoning}</div></details>
        )}
        {showDifference && result && column !== comparison.request.reference
          ? <Difference reference={referenceText(comparison, prompt)} text={result.text} />
          : <AnswerText key={key} text={text} live={result ? null : saying} />}
        {result?.finish_reason === "length" && <p class="quiet">{m.chat.length}</p>}
        {result && result.assertions.length > 0 && <Verdicts comparison={comparison} result={result} />}
      </div>
      <footer class="actions">
        {done.length > 1 && (
          <span class="branches" role="group" aria-label={m.compare.how.repetitions}>
            <IconButton icon={ChevronLeft} size={16} label={m.compare.previousRepetition} disabled={repetition === 0} onClick={() => (chosen.value = repetition - 1)} />
            <span>{repetition + 1}/{done.length}</span>
            <IconButton icon={ChevronRight} size={16} label={m.compare.nextRepetition} disabled={repetition >= done.length - 1} onClick={() => (chosen.value = repetition + 1)} />
          </span>
        )}
        <span class="spring" />
        {running.value
          ? <IconButton icon={Square} size={16} label={m.compare.stopColumn(name)} onClick={() => stop(column)} />
          : <IconButton icon={RotateCw} size={16} label={m.compare.rerun(name)} keys="R" onClick={() => rerun(prompt, column)} />}
        {result && !result.error && <button type="button" class="button small" onClick={() => continueChat(prompt, column, result.repetition)}><Icon of={MessageSquare} size={14} /> {m.compare.continue}</button>}
      </footer>
      <span class="unseen">{place + 1}</span>
    </section>
  );
}

function busyRepetition(prompt: number, column: number): number | null {
  for (const [key, { state }] of cells.value) {
    const [p, c, repetition] = key.split("/").map(Number);
    if (p === prompt && c === column && !["waiting", "done", "failed", "stopped", "scoring"].includes(state)) return repetition!;
  }
  return null;
}

function State({ live, result }: { live: { state: string; share: number | null; position: number | null } | undefined; result: CellResult | undefined }) {
  const state = result && (!live || live.state === "done") ? (result.error ? "failed" : result.finish_reason === "stopped" ? "stopped" : "done") : (live?.state ?? (running.value ? "waiting" : null));
  if (!state) return null;
  const more = live?.share != null && state !== "done" ? ` ${percent(live.share)}` : state === "waiting" && live?.position ? ` (${live.position})` : "";
  return <span class={`chip state-${state}`}>{m.compare.states[state] ?? state}{more}</span>;
}

/** The figures one looks at first; their place is kept while there are none. */
function Strip({ comparison, prompt, column }: { comparison: Comparison; prompt: number; column: number }) {
  return (
    <dl class="strip">
      {STRIP.map((name) => {
        const found = value(comparison, FIGURES.find((one) => one.name === name)!, column, prompt);
        const [label, meaning] = m.compare.figures[name]!;
        return (
          <div key={name} title={meaning}>
            <dt>{label}{found?.best && <Best />}</dt>
            <dd class={found?.best ? "best" : ""}>{found?.text ?? "–"}</dd>
          </div>
        );
      })}
    </dl>
  );
}

export function Best() {
  return <span class="best-mark" title={m.compare.bestHint}>{m.compare.best}</span>;
}

function Verdicts({ comparison, result }: { comparison: Comparison; result: CellResult }) {
  return (
    <ul class="verdicts">
      {result.assertions.map((verdict, index) => {
        const { kind, value: wanted } = comparison.request.assertions[index] ?? { kind: "contains", value: "" };
        return (
          <li class={verdict === true ? "good" : "bad"} title={kind === "schema" ? wanted ?? "" : undefined}>
            {verdict === true ? m.compare.holds : verdict === false ? m.compare.fails : verdict}: {m.compare.assertions[kind]} {wanted && kind !== "schema" ? `“${wanted}”` : ""}
          </li>
        );
      })}
    </ul>
  );
}

function referenceText(comparison: Comparison, prompt: number): string {
  return repetitions(comparison, prompt, comparison.request.reference)[0]?.text ?? "";
}

function Difference({ reference, text }: { reference: string; text: string }) {
  const parts = useSignal<Part[] | null | "wait">("wait");
  useEffect(() => {
    let here = true;
    void import("./words").then(({ difference }) => {
      if (here) parts.value = difference(reference, text);
    }, () => {});
    return () => void (here = false);
  }, [reference, text]);
  if (parts.value === "wait") return <div class="plain" dir="auto">{text}</div>;
  if (!parts.value) return <p class="quiet">{m.compare.tooLong}</p>;
  return (
    <div class="plain" dir="auto">
      {parts.value.map((part) => part.kind === "added" ? <ins>{part.text}</ins> : part.kind === "removed" ? <del>{part.text}</del> : part.text)}
    </div>
  );
}
