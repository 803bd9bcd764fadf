// Instructions and sampling of a chat.

import { useSignal } from "@preact/signals";
import { RotateCcw, X } from "lucide";
import type { Parameters } from "../api";
import { m } from "../i18n";
import { IconButton } from "../ui/button";
import { type Range, RANGES, valid, withParameter } from "./parameters";
import { settings, wish } from "./state";

export function SettingsPanel({ close }: { close: () => void }) {
  const { system_prompt, parameters } = settings.value;
  return (
    <aside class="settings" aria-label={m.settings.label}>
      <header>
        <h2>{m.settings.open}</h2>
        <IconButton icon={X} label={m.close} onClick={close} />
      </header>
      <label class="field">
        <span>{m.settings.system}</span>
        <textarea rows={4} dir="auto" value={system_prompt ?? ""} onInput={(event) => wish({ system_prompt: event.currentTarget.value || null })} />
        <small>{m.settings.systemHint}</small>
      </label>
      <div class="row">
        <h3>{m.settings.parameters}</h3>
        <span class="spring" />
        <button type="button" class="button small" disabled={Object.keys(parameters).length === 0} onClick={() => wish({ parameters: {} })}>{m.settings.reset}</button>
      </div>
      <ParameterFields parameters={parameters} change={(next) => wish({ parameters: next })} />
    </aside>
  );
}

export function ParameterFields({ parameters, change, only }: { parameters: Parameters; change: (next: Parameters) => void; only?: string[] }) {
  return (
    <>
      {RANGES.filter((range) => !only || only.includes(range.name)).map((range) => (
        <Field key={range.name} range={range} value={parameters[range.name]} set={(value) => change(withParameter(parameters, range.name, value))} />
      ))}
    </>
  );
}

function Field({ range, value, set }: { range: Range; value: unknown; set: (value: unknown) => void }) {
  const [name, meaning] = m.settings.names[range.name]!;
  const wrong = useSignal(false);
  const id = `parameter-${range.name}`;
  const number = typeof value === "number" ? value : null;
  const onNumber = (event: Event) => {
    const text = (event.currentTarget as HTMLInputElement).value;
    const next = text === "" ? null : Number(text);
    wrong.value = next !== null && !valid(range, next);
    if (!wrong.value) set(next);
  };
  if (range.kind === "lines") {
    const lines = Array.isArray(value) ? value.join("\n") : typeof value === "string" ? value : "";
    return (
      <label class="field">
        <span title={meaning}>{name}</span>
        <textarea rows={2} placeholder={m.settings.stopHint} value={lines} onInput={(event) => set(event.currentTarget.value.split("\n").filter(Boolean))} />
      </label>
    );
  }
  return (
    <div class={`parameter ${number === null ? "unset" : ""}`}>
      <label for={id} title={meaning}>{name}</label>
      <input id={id} type="number" inputMode="decimal" min={range.low} max={range.high} step={range.step} value={number ?? ""} aria-invalid={wrong.value}
        placeholder={range.name === "seed" ? m.settings.seedHint : m.settings.default} onInput={onNumber} />
      <IconButton icon={RotateCcw} size={14} label={`${m.settings.default}: ${name}`} disabled={number === null} onClick={() => { wrong.value = false; set(null); }} />
      {range.kind === "slider" && (
        <input type="range" aria-label={name} min={range.low} max={range.high} step={range.step} value={number ?? range.usual} onInput={(event) => { wrong.value = false; set(Number(event.currentTarget.value)); }} />
      )}
      {wrong.value && <small class="wrong">{m.settings.invalid(range.low, range.high)}</small>}
    </div>
  );
}
