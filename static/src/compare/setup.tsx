// What is to be compared, and how.

import { useSignal } from "@preact/signals";
import { Code, Layers, Paperclip, Plus, SlidersHorizontal, Trash2, X } from "lucide";
import { useEffect, useRef } from "preact/hooks";
import { checked } from "../chat/attachments";
import { FileList } from "../chat/files";
import { ModelPicker } from "../chat/picker";
import { ParameterFields } from "../chat/settings";
import { m } from "../i18n";
import { direction } from "../lib/direction";
import { bytes } from "../lib/format";
import { chatModels } from "../server";
import { IconButton } from "../ui/button";
import { showCode } from "../ui/code-dialog";
import { Icon } from "../ui/icon";
import { family } from "./figures";
import { blind, change, compareForms, refusal, run, setup, starting } from "./state";
import type { AssertionKind, Column, CompareRequest } from "./types";

export function Setup() {
  const wanted = setup.value;
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        void run();
      }
    };
    addEventListener("keydown", onKeyDown);
    return () => removeEventListener("keydown", onKeyDown);
  }, []);
  if (!wanted) return <div class="compare-page"><p class="quiet">{m.loading}</p></div>;
  const ready = wanted.prompts.some((prompt) => prompt.trim()) && wanted.columns.every((column) => column.model);
  return (
    <form class="compare-page compare-setup" onSubmit={(event) => { event.preventDefault(); void run(); }}>
      <header class="page-head">
        <h1>{m.compare.title}</h1>
        <p>{m.compare.intro}</p>
      </header>
      <Columns wanted={wanted} />
      <Prompts wanted={wanted} />
      <How wanted={wanted} />
      {refusal.value && <p class="warning" role="alert">{refusal.value}</p>}
      <div class="run-row">
        <button type="submit" class="button primary" disabled={!ready || starting.value}>{starting.value ? m.compare.starting : m.compare.run}</button>
        <button type="button" class="button" onClick={() => showCode({ method: "POST", path: "/api/compare", body: wanted, streams: true })}><Icon of={Code} size={16} /> {m.chat.asCode}</button>
        <span class="spring" />
        <small>{m.compare.cells(wanted.columns.length * Math.max(1, wanted.prompts.length) * wanted.repetitions)}</small>
      </div>
      <Fairness />
    </form>
  );
}

function Columns({ wanted }: { wanted: CompareRequest }) {
  const { columns } = wanted;
  const set = (index: number, fields: Partial<Column>) => change({ columns: columns.map((column, at) => (at === index ? { ...column, ...fields } : column)) });
  const first = columns[0]?.model ?? "";
  const forms = chatModels.value.filter((model) => family(model.id) === family(first)).length;
  const add = () => {
    const unused = chatModels.value.find((model) => !columns.some((column) => column.model === model.id)) ?? chatModels.value[0];
    change({ columns: [...columns, { model: unused?.id ?? "" }] });
  };
  return (
    <section>
      <div class="row section-head">
        <h2>{m.compare.columns}</h2>
        <span class="spring" />
        <button type="button" class="button small" disabled={forms < 2} title={forms < 2 ? m.compare.noForms : undefined} onClick={() => compareForms(first)}><Icon of={Layers} size={16} /> {m.compare.forms}</button>
      </div>
      <div class="setup-columns">
        {columns.map((column, index) => (
          <div class="setup-column" key={index}>
            <div class="row">
              <span class="letter">{letter(index)}</span>
              <span class="spring" />
              {columns.length > 2 && <IconButton icon={Trash2} size={16} label={m.compare.removeColumn(letter(index))} onClick={() => change({ columns: columns.filter((_, at) => at !== index), reference: 0 })} />}
            </div>
            <ModelPicker chosen={column.model || null} label={m.compare.column(letter(index))} choose={(model) => set(index, { model })} />
            <Override column={column} set={(fields) => set(index, fields)} />
          </div>
        ))}
        {columns.length < 6 && <button type="button" class="add-column" onClick={add}><Icon of={Plus} /> {m.compare.addColumn}</button>}
      </div>
    </section>
  );
}

/** Parameters of one column, which otherwise follow the shared ones. */
function Override({ column, set }: { column: Column; set: (fields: Partial<Column>) => void }) {
  const opened = useSignal(Object.keys(column.parameters ?? {}).length > 0);
  return (
    <div class="override">
      <button type="button" class="link" aria-expanded={opened.value} onClick={() => { opened.value = !opened.value; if (!opened.value) set({ parameters: {} }); }}>
        <Icon of={SlidersHorizontal} size={14} /> {opened.value ? m.compare.follow : m.compare.own}
      </button>
      {opened.value && <ParameterFields parameters={column.parameters ?? {}} change={(parameters) => set({ parameters })} only={["temperature", "top_p", "top_k", "min_p", "repeat_penalty"]} />}
    </div>
  );
}

function Prompts({ wanted }: { wanted: CompareRequest }) {
  const { prompts } = wanted;
  const system = useSignal(Boolean(wanted.system_prompt));
  const picker = useRef<HTMLInputElement>(null);
  const refused = useSignal<string[]>([]);
  const attach = async (files: readonly File[]) => {
    const results = await Promise.all(files.map((file) => (file.type.startsWith("image/") ? m.chat.refusedType(file.name) : checked(file, null))));
    const attachments = [...wanted.attachments, ...results.filter((one) => typeof one !== "string").map(({ name, media_type, data }) => ({ name, media_type, data }))];
    refused.value = results.filter((one) => typeof one === "string");
    if (attachments.reduce((sum, file) => sum + sizeOf(file), 0) > MOST_ATTACHED) refused.value = [...refused.value, m.compare.attachedSize(bytes(MOST_ATTACHED))];
    else change({ attachments });
  };
  return (
    <section onDragOver={(event) => event.preventDefault()} onDrop={(event) => { event.preventDefault(); void attach([...(event.dataTransfer?.files ?? [])]); }}>
      <div class="row section-head">
        <h2>{prompts.length > 1 ? m.compare.prompts : m.compare.prompt}</h2>
        <span class="spring" />
        <button type="button" class="button small" onClick={() => picker.current!.click()}><Icon of={Paperclip} size={16} /> {m.compare.attach}</button>
        <input ref={picker} type="file" multiple hidden onChange={(event) => { void attach([...(event.currentTarget.files ?? [])]); event.currentTarget.value = ""; }} />
        {!system.value && <button type="button" class="button small" onClick={() => (system.value = true)}>{m.settings.system}</button>}
        {prompts.length < 50 && <button type="button" class="button small" onClick={() => change({ prompts: [...prompts, ""] })}><Icon of={Plus} size={16} /> {m.compare.addPrompt}</button>}
      </div>
      {system.value && (
        <label class="field">
          <span>{m.settings.system}</span>
          <textarea rows={2} dir="auto" value={wanted.system_prompt ?? ""} onInput={(event) => change({ system_prompt: event.currentTarget.value || null })} />
        </label>
      )}
      <FileList files={wanted.attachments.map((file) => ({ ...file, size: sizeOf(file) }))} label={m.compare.attached} remove={(at) => change({ attachments: wanted.attachments.filter((_, index) => index !== at) })} />
      {refused.value.map((why) => <p class="warning" role="alert" key={why}>{why}</p>)}
      {prompts.map((prompt, index) => (
        <div class="prompt-row" key={index}>
          <textarea id={index === 0 ? "message" : undefined} dir={direction(prompt)} rows={prompts.length > 1 ? 2 : 3} aria-label={m.compare.promptNumber(index + 1)} value={prompt}
            onInput={(event) => change({ prompts: prompts.map((one, at) => (at === index ? event.currentTarget.value : one)) })} />
          {prompts.length > 1 && <IconButton icon={X} size={16} label={m.compare.removePrompt(index + 1)} onClick={() => change({ prompts: prompts.filter((_, at) => at !== index) })} />}
        </div>
      ))}
    </section>
  );
}

/** As the server has it. */
const MOST_ATTACHED = 2 << 20;

/** Bytes of what is in base64. */
export const sizeOf = ({ data }: { data: string }) => Math.floor((data.length * 3) / 4) - (/=*$/.exec(data)?.[0].length ?? 0);

function How({ wanted }: { wanted: CompareRequest }) {
  const choice = <K extends "mode" | "cache">(key: K, values: CompareRequest[K][]) => (
    <div class="field">
      <span id={`how-${key}`}>{m.compare.how[key]}</span>
      <div class="segments" role="radiogroup" aria-labelledby={`how-${key}`}>
        {values.map((value) => (
          <button type="button" role="radio" aria-checked={wanted[key] === value} title={m.compare.howHints[value]} onClick={() => change({ [key]: value } as Partial<CompareRequest>)}>{m.compare.how[value]}</button>
        ))}
      </div>
    </div>
  );
  const box = (key: "warmup" | "unload_between" | "quality") => (
    <label class="check" title={m.compare.howHints[key]}>
      <input type="checkbox" checked={wanted[key]} onChange={(event) => change({ [key]: event.currentTarget.checked })} /> {m.compare.how[key]}
    </label>
  );
  return (
    <section>
      <div class="section-head"><h2>{m.compare.howTitle}</h2></div>
      <div class="how">
        {choice("mode", ["sequential", "concurrent"])}
        {choice("cache", ["cold", "warm"])}
        <label class="field narrow"><span>{m.compare.how.repetitions}</span>
          <input type="number" min={1} max={20} value={wanted.repetitions} onInput={(event) => change({ repetitions: Math.min(20, Math.max(1, Number(event.currentTarget.value) || 1)) })} />
        </label>
        <label class="field narrow"><span>{m.compare.how.reference}</span>
          <select value={String(wanted.reference)} title={m.compare.howHints.reference} onChange={(event) => change({ reference: Number(event.currentTarget.value) })}>
            {wanted.columns.map((_, index) => <option value={String(index)}>{letter(index)}</option>)}
          </select>
        </label>
        <div class="checks">
          {box("warmup")}
          {box("unload_between")}
          {box("quality")}
          <label class="check" title={m.compare.howHints.blind}><input type="checkbox" checked={blind.value} onChange={(event) => (blind.value = event.currentTarget.checked)} /> {m.compare.how.blind}</label>
        </div>
      </div>
      <div class="shared-parameters">
        <ParameterFields parameters={wanted.parameters} change={(parameters) => change({ parameters })} only={["temperature", "max_tokens", "seed"]} />
      </div>
      <small>{m.compare.sharedHint}</small>
      <Assertions wanted={wanted} />
    </section>
  );
}

const KINDS: AssertionKind[] = ["contains", "not_contains", "equals", "regex", "json", "schema"];

function Assertions({ wanted }: { wanted: CompareRequest }) {
  const { assertions } = wanted;
  const set = (index: number, fields: Partial<CompareRequest["assertions"][number]>) => change({ assertions: assertions.map((one, at) => (at === index ? { ...one, ...fields } : one)) });
  return (
    <div class="assertions">
      {assertions.map((assertion, index) => (
        <div class="prompt-row" key={index}>
          <select aria-label={m.compare.assertionKind} value={assertion.kind} onChange={(event) => set(index, { kind: event.currentTarget.value as AssertionKind })}>
            {KINDS.map((kind) => <option value={kind}>{m.compare.assertions[kind]}</option>)}
          </select>
          {assertion.kind === "schema"
            ? <textarea rows={4} spellcheck={false} aria-label={m.compare.assertionSchema} placeholder={m.compare.schemaExample} value={assertion.value ?? ""} onInput={(event) => set(index, { value: event.currentTarget.value })} />
            : assertion.kind !== "json" && <input type="text" aria-label={m.compare.assertionValue} value={assertion.value ?? ""} onInput={(event) => set(index, { value: event.currentTarget.value })} />}
          <IconButton icon={X} size={16} label={m.remove} onClick={() => change({ assertions: assertions.filter((_, at) => at !== index) })} />
        </div>
      ))}
      <button type="button" class="button small" onClick={() => change({ assertions: [...assertions, { kind: "contains", value: "" }] })}><Icon of={Plus} size={16} /> {m.compare.addAssertion}</button>
    </div>
  );
}

export function Fairness() {
  return (
    <details class="fairness">
      <summary>{m.compare.fairTitle}</summary>
      <ul>{m.compare.fair.map((rule) => <li>{rule}</li>)}</ul>
    </details>
  );
}

export const letter = (index: number) => String.fromCharCode(65 + index);
