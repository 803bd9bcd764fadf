// Which model does a task, and the offer to fetch one where none is there.

import { type Signal, signal } from "@preact/signals";
import { Download } from "lucide";
import { type Model } from "../api";
import { m } from "../i18n";
import { bytes } from "../lib/format";
import { keep, recall } from "../lib/keep";
import { Progress } from "../models/progress";
import { pull, pulls } from "../models/pulls";
import { ModelState } from "../chat/picker";
import { catalog, fits, models } from "../server";
import { Icon } from "../ui/icon";

/** The choice of a model among those that can do one of some tasks; remembered. */
export class Choice {
  private readonly wished: Signal<string | null>;

  constructor(
    private readonly key: string,
    private readonly capabilities: readonly string[],
  ) {
    this.wished = signal(recall(`model-${key}`));
  }

  get models(): Model[] {
    return (models.value ?? []).filter((model) => this.capabilities.some((one) => model.capabilities.includes(one)));
  }

  /** The one chosen last, else one that is loaded, else the smallest. */
  get chosen(): Model | null {
    const able = this.models;
    return able.find((model) => model.id === this.wished.value) ?? able.find((model) => model.status.value === "loaded")
      ?? [...able].sort((a, b) => a.memory.weights_bytes - b.memory.weights_bytes)[0] ?? null;
  }

  choose(id: string): void {
    this.wished.value = id;
    keep(`model-${this.key}`, id);
  }
}

export function ModelChoice({ choice }: { choice: Choice }) {
  const model = choice.chosen;
  if (!model) return null;
  return (
    <label class="field task-model">
      <span>{m.picker.label} <ModelState model={model} /></span>
      <select value={model.id} onChange={(event) => choice.choose(event.currentTarget.value)}>
        {choice.models.map((one) => <option key={one.id} value={one.id}>{one.id} ({bytes(one.memory.weights_bytes)})</option>)}
      </select>
    </label>
  );
}

/** What can be fetched for a task, with the progress of doing so. */
export function Offer({ names, text }: { names: RegExp; text: string }) {
  const entries = (catalog.value ?? []).filter((entry) => names.test(entry.name));
  return (
    <section class="offer">
      <h2>{m.tasks.noModel}</h2>
      <p>{text} {entries.length > 0 && m.models.catalogueHint}</p>
      <ul class="model-rows">
        {entries.flatMap((entry) => entry.files.slice(0, 1).map((file) => (
          <li key={file.id}>
            <div class="offer-what"><b>{entry.title}</b><small>{[entry.parameters, file.bytes === null ? null : bytes(file.bytes), entry.license].filter(Boolean).join(" · ")}</small></div>
            {file.bytes !== null && fits(file.bytes * 1.15) === false && <span class="badge bad">{m.picker.tooLarge}</span>}
            {pulls.value.has(file.id) ? <Progress name={file.id} />
              : file.on_disk ? <span class="badge good">{m.models.onDisk}</span>
              : <button type="button" class="button small" aria-label={`${m.models.pull} ${file.id}`} onClick={() => void pull(file.id)}><Icon of={Download} size={14} /> {m.models.pull}</button>}
          </li>
        )))}
      </ul>
      <a class="link" href="/models">{m.tasks.allModels}</a>
    </section>
  );
}
