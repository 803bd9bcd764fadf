// The Entities tab: names in a text, marked where they stand and listed.

import { Code } from "lucide";
import { useEffect } from "preact/hooks";
import { m } from "../i18n";
import { direction } from "../lib/direction";
import { duration, percent, perSecond, rate } from "../lib/format";
import { cut } from "../lib/offsets";
import { models } from "../server";
import { ENTITY_MODELS } from "../tabs";
import { ModelChoice, Offer } from "../tasks/model";
import { CopyButton, Figures, JobState, RunButton, TaskPage } from "../tasks/parts";
import { showCode } from "../ui/code-dialog";
import { Icon } from "../ui/icon";
import "../styles/entities.css";
import { AGGREGATIONS, aggregation, body, choice, colour, type Entity, found, groupsOf, hidden, job, run, text } from "./state";

export default function EntitiesPage() {
  useEffect(() => () => job.stop(), []);
  if (models.value && !choice.chosen) return <TaskPage title={m.entities.title} intro={m.entities.intro}><Offer names={ENTITY_MODELS} text={m.entities.offer} /></TaskPage>;
  const submit = () => void run();
  return (
    <TaskPage title={m.entities.title} intro={m.entities.intro}>
      <section class="task-form">
        <label class="field">
          <span>{m.entities.text}</span>
          <textarea id="message" rows={6} dir={direction(text.value)} value={text.value} placeholder={m.entities.placeholder} onInput={(event) => (text.value = event.currentTarget.value)} />
        </label>
        <div class="task-options">
          <ModelChoice choice={choice} />
          <label class="field" title={m.entities.aggregationHints[aggregation.value]}>
            <span>{m.entities.aggregation}</span>
            <select value={aggregation.value} onChange={(event) => (aggregation.value = event.currentTarget.value as typeof aggregation.value)}>
              {AGGREGATIONS.map((one) => <option key={one} value={one}>{m.entities.aggregations[one]}</option>)}
            </select>
          </label>
        </div>
        <div class="run-row">
          <RunButton job={job} label={m.entities.run} disabled={text.value.trim() === "" || !choice.chosen} act={submit} />
          <button type="button" class="button" onClick={() => { text.value = m.entities.exampleText; document.getElementById("message")?.focus(); }}>{m.entities.example}</button>
          <button type="button" class="button" onClick={() => showCode({ method: "POST", path: "/api/ner", body: body() })}><Icon of={Code} size={16} /> {m.chat.asCode}</button>
        </div>
      </section>
      <JobState job={job} />
      <Found />
    </TaskPage>
  );
}

function Found() {
  const result = found.value;
  if (!result) return null;
  const { answer, entities } = result;
  const groups = groupsOf(entities);
  const shown = entities.filter((one) => !hidden.value.has(one.entity_group));
  const took = answer.timings.total_ms - answer.timings.load_ms;
  const toggle = (group: string) => {
    const next = new Set(hidden.value);
    if (!next.delete(group)) next.add(group);
    hidden.value = next;
  };
  return (
    <section aria-label={m.entities.result}>
      <div class="row section-head">
        <h2>{m.entities.found(entities.length)}</h2>
        <span class="spring" />
        <CopyButton label={m.tasks.copyJson} text={() => JSON.stringify(answer, null, 2)} />
      </div>
      <Figures values={[answer.model, duration(took), answer.timings.load_ms > 0 ? m.tasks.load(duration(answer.timings.load_ms)) : null, m.tasks.tokens(answer.usage.prompt_tokens), rate(perSecond(answer.usage.prompt_tokens, took))]} />
      {groups.length > 0 && (
        <div class="entity-filter" role="group" aria-label={m.entities.filter}>
          {groups.map(([group, count]) => (
            <button type="button" key={group} class={`entity-key g${colour(group, groups)}`} aria-pressed={!hidden.value.has(group)} onClick={() => toggle(group)}>
              <b>{group}</b> {m.entities.groups[group] ?? ""} <small>{count}</small>
            </button>
          ))}
        </div>
      )}
      <p class="entity-text" dir={direction(result.text)} tabIndex={0} aria-label={m.entities.marked}>
        {cut(result.text, shown).map(({ text: piece, mark }, index) => mark
          ? <mark key={index} class={`entity g${colour(mark.entity_group, groups)}`} title={`${m.entities.groups[mark.entity_group] ?? mark.entity_group}, ${percent(mark.score)}`}>{piece}<span class="entity-label">{mark.entity_group}</span></mark>
          : piece)}
      </p>
      {shown.length > 0 && <Table entities={shown} groups={groups} />}
    </section>
  );
}

function Table({ entities, groups }: { entities: readonly Entity[]; groups: [string, number][] }) {
  return (
    <div class="task-table" tabIndex={0} role="region" aria-label={m.entities.table}>
      <table>
        <thead><tr><th scope="col">{m.entities.columns.text}</th><th scope="col">{m.entities.columns.group}</th><th scope="col" class="number">{m.entities.columns.score}</th><th scope="col" class="number">{m.entities.columns.place}</th></tr></thead>
        <tbody>
          {entities.map((one) => (
            <tr key={`${one.start}-${one.end}`}>
              <td dir="auto">{one.word}</td>
              <td><span class={`entity-tag g${colour(one.entity_group, groups)}`}>{one.entity_group}</span></td>
              <td class="number">{(one.score * 100).toFixed(1)} %</td>
              <td class="number">{one.start}–{one.end}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <small>{m.entities.places}</small>
    </div>
  );
}
