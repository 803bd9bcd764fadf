// A comparison that runs or has run.

import { useSignal } from "@preact/signals";
import { Code, Download, Link, Pencil, Square } from "lucide";
import { useEffect } from "preact/hooks";
import { m } from "../i18n";
import { phone } from "../layout";
import { onKey } from "../shortcuts";
import { showCode } from "../ui/code-dialog";
import { dialogOpen } from "../ui/dialog";
import { Icon } from "../ui/icon";
import { attempt, tell } from "../ui/notice";
import { Menu } from "../ui/popover";
import { Cell } from "./cell";
import { shuffled } from "./figures";
import { FileList } from "../chat/files";
import { Fairness, letter, sizeOf } from "./setup";
import { blind, editAgain, exportPath, judge, rerun, running, stop, vote } from "./state";
import { FigureTable, Timeline, WinTable } from "./tables";
import type { Comparison } from "./types";

export function Result({ comparison }: { comparison: Comparison }) {
  const { request, judgement, results } = comparison;
  const votes = judgement?.votes ?? [];
  // Names are hidden until every prompt has its vote.
  const hidden = blind.value && votes.length < request.prompts.length;
  const order = blind.value ? shuffled(request.columns.length, comparison.id) : request.columns.map((_, index) => index);
  const names = request.columns.map((_, index) => (hidden ? m.compare.column(letter(order.indexOf(index))) : nameOf(comparison, index)));
  const focus = useSignal({ prompt: 0, place: 0 });
  const differences = useSignal(false);
  const tab = Math.min(focus.value.place, order.length - 1);

  useEffect(() => onKey("stop", () => void (running.peek() && stop())), []);
  useEffect(() => {
    const move = (by: number) => {
      const place = (focus.peek().place + by + order.length) % order.length;
      focus.value = { ...focus.peek(), place };
      requestAnimationFrame(() => document.getElementById(`cell-${focus.peek().prompt}-${order[place]}`)?.focus());
    };
    const onKeyDown = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement;
      if (dialogOpen() || event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName)) return;
      const number = Number(event.key);
      if (number >= 1 && number <= order.length && !running.peek()) void vote(focus.peek().prompt, String(order[number - 1]));
      else if (event.key === "[") move(-1);
      else if (event.key === "]") move(1);
      else if (event.key === "r" && !running.peek()) void rerun(focus.peek().prompt, order[focus.peek().place]!);
      else return;
      event.preventDefault();
    };
    addEventListener("keydown", onKeyDown);
    return () => removeEventListener("keydown", onKeyDown);
  }, [comparison.id, order.join()]);

  return (
    <div class="compare-page compare-result">
      <Head comparison={comparison} hidden={hidden} />
      {results?.machine?.warning && <p class="warning" role="status">{m.compare.machine(results.machine.warning)}</p>}
      <div class="row">
        {!hidden && <label class="check"><input type="checkbox" checked={differences.value} onChange={(event) => (differences.value = event.currentTarget.checked)} /> {m.compare.differences(names[request.reference] ?? "")}</label>}
        <label class="check"><input type="checkbox" checked={blind.value} onChange={(event) => (blind.value = event.currentTarget.checked)} /> {m.compare.how.blind}</label>
      </div>
      <FileList files={(request.attachments ?? []).map((file) => ({ ...file, size: sizeOf(file) }))} label={m.compare.attached} />
      {request.prompts.map((prompt, index) => (
        <section class="prompt-section" key={index} aria-label={m.compare.promptNumber(index + 1)}>
          <blockquote class="prompt-text plain" dir="auto">{prompt.length > 1200 ? `${prompt.slice(0, 1200)} …` : prompt}</blockquote>
          {phone.value && (
            <div class="column-tabs" role="tablist" aria-label={m.compare.columns}>
              {order.map((column, place) => (
                <button type="button" role="tab" key={column} aria-selected={place === tab} onClick={() => (focus.value = { prompt: index, place })}><b>{letter(place)}</b> {names[column]}</button>
              ))}
            </div>
          )}
          <div class={`cells cells-${order.length}`}>
            {order.map((column, place) => (!phone.value || place === tab) && (
              <Cell key={column} comparison={comparison} prompt={index} column={column} name={names[column]!} place={place} showDifference={differences.value && !hidden}
                focused={!phone.value && focus.value.prompt === index && focus.value.place === place} focus={() => { if (focus.peek().prompt !== index || focus.peek().place !== place) focus.value = { prompt: index, place }; }} />
            ))}
          </div>
          {!running.value && <Votes comparison={comparison} prompt={index} order={order} names={names} hidden={hidden} />}
        </section>
      ))}
      {!hidden && <FigureTable comparison={comparison} order={order} names={names} />}
      {!hidden && <Timeline comparison={comparison} order={order} names={names} />}
      <Notes comparison={comparison} />
      <WinTable />
      <Fairness />
    </div>
  );
}

function nameOf({ request }: Comparison, index: number): string {
  const column = request.columns[index]!;
  if (column.label) return column.label;
  const own = Object.entries(column.parameters ?? {}).map(([name, value]) => `${m.settings.names[name]?.[0] ?? name} ${String(value)}`);
  return own.length > 0 ? `${column.model} (${own.join(", ")})` : column.model;
}

function Head({ comparison, hidden }: { comparison: Comparison; hidden: boolean }) {
  const { id, request, title } = comparison;
  const facts = [
    m.compare.how[request.mode], m.compare.how[request.cache],
    request.repetitions > 1 ? m.compare.repeated(request.repetitions) : null, request.warmup ? m.compare.how.warmup : null,
    ...Object.entries(request.parameters).map(([name, value]) => `${m.settings.names[name]?.[0] ?? name} ${String(value)}`),
  ].filter(Boolean);
  return (
    <header class="page-head">
      <div class="row">
        <h1 dir="auto">{title}</h1>
        <span class="spring" />
        {running.value && <button type="button" class="button primary" onClick={() => stop()}><Icon of={Square} size={14} /> {m.compare.stopAll}</button>}
        {!running.value && <button type="button" class="button" onClick={editAgain}><Icon of={Pencil} size={16} /> {m.compare.again}</button>}
        <Menu label={m.compare.export} align="end" button={(properties) => <button type="button" class="button" {...properties}><Icon of={Download} size={16} /> {m.compare.export}</button>}
          entries={() => [
            { label: "CSV", icon: Download, href: exportPath(id, "csv"), disabled: hidden },
            { label: "JSON", icon: Download, href: exportPath(id, "json") },
            { label: "Markdown", icon: Download, href: exportPath(id, "markdown") },
            "-",
            { label: m.compare.copyLink, icon: Link, act: () => void attempt(async () => { await navigator.clipboard.writeText(location.href); tell(m.copied); }) },
            { label: m.chat.asCode, icon: Code, act: () => showCode({ method: "POST", path: "/api/compare", body: request, streams: true }) },
          ]} />
      </div>
      <p>{facts.join(" · ")}</p>
    </header>
  );
}

function Votes({ comparison, prompt, order, names, hidden }: { comparison: Comparison; prompt: number; order: number[]; names: string[]; hidden: boolean }) {
  const chosen = comparison.judgement?.votes.find((one) => one.prompt === prompt);
  const choice = (value: string, label: string, title?: string) => (
    <button type="button" role="radio" aria-checked={chosen?.vote === value} title={title} onClick={() => vote(prompt, value)}>{label}</button>
  );
  return (
    <div class="votes">
      <span id={`vote-${prompt}`}>{m.compare.vote}</span>
      <div class="segments" role="radiogroup" aria-labelledby={`vote-${prompt}`}>
        {order.map((column, place) => choice(String(column), letter(place), hidden ? undefined : names[column]))}
        {choice("tie", m.compare.tie)}
        {choice("bad", m.compare.bad)}
      </div>
      {chosen?.blind && <small>{m.compare.votedBlind}</small>}
    </div>
  );
}

function Notes({ comparison }: { comparison: Comparison }) {
  const text = useSignal(comparison.judgement?.notes ?? "");
  return (
    <section>
      <label class="field">
        <span>{m.compare.notes}</span>
        <textarea rows={3} dir="auto" maxLength={20000} placeholder={m.compare.notesHint} value={text.value} onInput={(event) => (text.value = event.currentTarget.value)}
          onBlur={() => text.value !== (comparison.judgement?.notes ?? "") && judge({ notes: text.value })} />
      </label>
    </section>
  );
}
