// Below the answers: all figures as a table, when what was done, and who has won so far.

import { m } from "../i18n";
import { duration } from "../lib/format";
import { Best } from "./cell";
import { FIGURES, type Group, judges, repetitions, value, wins } from "./figures";
import { list } from "./state";
import type { Comparison } from "./types";

const GROUPS: Group[] = ["speed", "memory", "length", "quality"];

export function FigureTable({ comparison, order, names }: { comparison: Comparison; order: number[]; names: string[] }) {
  const reference = comparison.request.reference;
  return (
    <section>
      <div class="section-head"><h2>{m.compare.figuresTitle}</h2></div>
      <div class="table-scroll" tabIndex={0} role="region" aria-label={m.compare.figuresTitle}>
        <table class="figure-table">
          <thead>
            <tr><th scope="col"><span class="unseen">{m.compare.figure}</span></th>{order.map((column) => <th scope="col" key={column}>{names[column]}{column === reference && <small> {m.compare.isReference}</small>}</th>)}</tr>
          </thead>
          {GROUPS.map((group) => {
            const rows = FIGURES.filter((figure) => figure.group === group)
              .map((figure) => ({ figure, values: order.map((column) => value(comparison, figure, column, null)) }))
              .filter(({ values }) => values.some(Boolean));
            if (rows.length === 0) return null;
            return (
              <tbody key={group}>
                <tr class="group"><th scope="rowgroup" colSpan={order.length + 1}>{m.compare.groups[group]}</th></tr>
                {rows.map(({ figure, values }) => {
                  const [label, meaning] = m.compare.figures[figure.name] ?? [figure.name, ""];
                  return (
                    <tr key={figure.name}>
                      <th scope="row" title={meaning}>{label}{figure.name === "similarity" && <small> {m.compare.bySimilarity(judges(comparison).join(", "))}</small>}</th>
                      {values.map((one) => (
                        <td class={one?.best ? "best" : ""}>{one ? <>{one.text}{one.noise && <small> {one.noise}</small>}{one.best && <Best />}</> : <span class="quiet-dash">–</span>}</td>
                      ))}
                    </tr>
                  );
                })}
              </tbody>
            );
          })}
        </table>
      </div>
      <QualityNotes comparison={comparison} names={names} />
      <details class="fairness">
        <summary>{m.compare.meanings}</summary>
        <dl class="figures">
          {FIGURES.map((figure) => {
            const [label, meaning] = m.compare.figures[figure.name] ?? [figure.name, ""];
            return <div key={figure.name}><dt>{label}</dt><dd class="meaning">{meaning}</dd></div>;
          })}
        </dl>
      </details>
    </section>
  );
}

function QualityNotes({ comparison, names }: { comparison: Comparison; names: string[] }) {
  const notes = new Map<string, string>();
  for (const cell of comparison.results?.cells ?? []) if (cell.quality_note) notes.set(names[cell.column]!, cell.quality_note);
  return <>{[...notes].map(([name, note]) => <p class="quiet" key={name}>{name}: {note}</p>)}</>;
}

export function Timeline({ comparison, order, names }: { comparison: Comparison; order: number[]; names: string[] }) {
  const rows = comparison.request.prompts.flatMap((_, prompt) => order.flatMap((column) => repetitions(comparison, prompt, column))).filter((cell) => cell.timeline?.length);
  if (rows.length === 0) return null;
  const longest = Math.max(...rows.map((cell) => Math.max(...cell.timeline.map((span) => span.to_ms))), 1);
  const at = (ms: number) => `${(ms / longest) * 100}%`;
  const many = rows.length > order.length;
  return (
    <section>
      <div class="section-head"><h2>{m.compare.timeline}</h2></div>
      <div class="timeline" role="img" aria-label={m.compare.timelineLabel}>
        {rows.slice(0, 60).map((cell) => (
          <div class="timeline-row" key={`${cell.prompt}/${cell.column}/${cell.repetition}`}>
            <span class="timeline-name">{names[cell.column]}{many && <small> {cell.prompt + 1}.{cell.repetition + 1}</small>}</span>
            <span class="timeline-bar">
              {cell.timeline.map((span) => (
                <i class={`phase ${span.phase}`} title={`${m.compare.phases[span.phase] ?? span.phase}: ${duration(span.to_ms - span.from_ms)}`} style={{ left: at(span.from_ms), width: at(span.to_ms - span.from_ms) }} />
              ))}
            </span>
            <span class="timeline-total">{duration(Math.max(...cell.timeline.map((span) => span.to_ms)))}</span>
          </div>
        ))}
      </div>
      <p class="legend">{Object.entries(m.compare.phases).map(([phase, name]) => <span class="row" key={phase}><i class={`phase ${phase}`} /> {name}</span>)}</p>
    </section>
  );
}

export function WinTable() {
  const rows = wins(list.value ?? []).slice(0, 12);
  if (rows.length === 0) return null;
  return (
    <section>
      <div class="section-head"><h2>{m.compare.wins}</h2></div>
      <div class="table-scroll" tabIndex={0} role="region" aria-label={m.compare.wins}>
        <table class="figure-table">
          <thead><tr><th scope="col">{m.picker.label}</th><th scope="col">{m.compare.won}</th><th scope="col">{m.compare.tied}</th><th scope="col">{m.compare.compared}</th></tr></thead>
          <tbody>{rows.map((row) => <tr key={row.model}><th scope="row">{row.model}</th><td>{row.wins}</td><td>{row.ties}</td><td>{row.compared}</td></tr>)}</tbody>
        </table>
      </div>
    </section>
  );
}
