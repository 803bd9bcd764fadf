// Choosing a model, with what one needs to know for that: size, quantization, engine, whether it is loaded or fits.

import { useSignal } from "@preact/signals";
import { ChevronDown } from "lucide";
import type { Model } from "../api";
import { m } from "../i18n";
import { bytes, percent } from "../lib/format";
import { chatModels, fits, modelOf, models } from "../server";
import { Icon } from "../ui/icon";
import { Popover } from "../ui/popover";

export function ModelState({ model }: { model: Model }) {
  const { value, progress } = model.status;
  if (value === "loaded") return <span class="badge good">{m.picker.loaded}</span>;
  if (value === "loading") return <span class="badge">{m.picker.loading} {percent(progress)}</span>;
  const room = fits(model.memory.total_bytes);
  if (room === null) return null;
  return room ? <span class="badge">{m.picker.fits}</span> : <span class="badge bad">{m.picker.tooLarge}</span>;
}

export function ModelPicker({ chosen, choose, label = m.picker.label }: { chosen: string | null; choose: (id: string) => void; label?: string }) {
  const model = modelOf(chosen);
  return (
    <Popover label={m.picker.choose} class="picker"
      button={(properties) => (
        <button type="button" class="pick" aria-label={`${label}: ${chosen ?? m.picker.noModel}`} {...properties}>
          <b>{chosen ?? m.picker.noModel}</b>
          {model && <span class="pick-about">{[model.quantization, bytes(model.memory.weights_bytes), model.engine].join(" · ")}</span>}
          {model && <ModelState model={model} />}
          <Icon of={ChevronDown} size={16} />
        </button>
      )}>
      {(close) => <ModelList chosen={chosen} choose={(id) => { close(); choose(id); }} />}
    </Popover>
  );
}

export function ModelList({ chosen, choose }: { chosen: string | null; choose: (id: string) => void }) {
  const text = useSignal("");
  const found = chatModels.value.filter((model) => `${model.id} ${model.engine} ${model.quantization}`.toLowerCase().includes(text.value.toLowerCase()));
  const onKeyDown = (event: KeyboardEvent) => {
    const box = event.currentTarget as HTMLElement;
    const options = [...box.querySelectorAll<HTMLElement>("[role=option]")];
    const at = options.indexOf(document.activeElement as HTMLElement);
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const next = at + (event.key === "ArrowDown" ? 1 : -1);
      if (next < 0) box.querySelector("input")?.focus();
      else options[Math.min(next, options.length - 1)]?.focus();
    } else if (event.key === "Enter" && at < 0) {
      event.preventDefault();
      if (found[0]) choose(found[0].id);
    }
  };
  return (
    <div class="model-list" onKeyDown={onKeyDown}>
      {(models.value ?? []).length > 6 && (
        <input type="search" aria-label={m.picker.search} placeholder={m.picker.search} value={text.value} onInput={(event) => (text.value = event.currentTarget.value)} />
      )}
      <div role="listbox" aria-label={m.picker.label}>
        {found.map((model) => (
          <button type="button" role="option" aria-selected={model.id === chosen} key={model.id} onClick={() => choose(model.id)}>
            <span class="model-id">{model.id}</span>
            <ModelState model={model} />
            <small>{[model.quantization, bytes(model.memory.weights_bytes), model.engine].join(" · ")}</small>
          </button>
        ))}
      </div>
      {found.length === 0 && <p class="quiet">{m.picker.none}</p>}
      <a class="more-models" href="/models">{m.picker.install}</a>
    </div>
  );
}
