// The Models tab: what is installed, what could be, and what fits.

import { useSignal } from "@preact/signals";
import { Code, Columns2, Download, Ellipsis, MessageSquare, Trash2 } from "lucide";
import { useEffect } from "preact/hooks";
import { type CatalogEntry, type Model, api } from "../api";
import { wish, newChat } from "../chat/state";
import { ModelState } from "../chat/picker";
import { compareForms } from "../compare/state";
import { m } from "../i18n";
import { bytes, count, duration, percent, weights } from "../lib/format";
import { go } from "../router";
import { catalog, chats, fits, info, models, prefer, refreshCatalog, refreshModels, refreshServer } from "../server";
import { IconButton } from "../ui/button";
import { showCode } from "../ui/code-dialog";
import { confirmed } from "../ui/dialog";
import { Icon } from "../ui/icon";
import { attempt, tell } from "../ui/notice";
import { Menu } from "../ui/popover";
import "../styles/models.css";
import { Progress } from "./progress";
import { pull, pulls } from "./pulls";

export default function ModelsPage() {
  useEffect(() => {
    document.title = `${m.models.title} – ${m.name}`;
    void refreshModels();
    void refreshServer();
    void refreshCatalog();
  }, []);
  const budget = info.value?.memory.budget_bytes;
  return (
    <div class="models-page">
      <header class="page-head">
        <h1>{m.models.title}</h1>
        <p>{m.models.intro(budget ? bytes(budget) : "")}</p>
      </header>
      <Memory />
      <section>
        <h2>{m.models.installed}</h2>
        {models.value?.length === 0 && <p class="quiet">{m.models.none}</p>}
        <ul class="model-rows">{(models.value ?? []).map((model) => <Installed key={model.id} model={model} />)}</ul>
      </section>
      <Catalogue />
    </div>
  );
}

/** Marks of loaded models, told apart by lightness and by the list below. */
function Memory() {
  const memory = info.value?.memory;
  if (!memory) return null;
  const loaded = (models.value ?? []).filter((model) => model.status.value === "loaded");
  const used = loaded.reduce((sum, model) => sum + model.memory.total_bytes, 0);
  const all = memory.budget_bytes ?? Math.max(used, 1);
  return (
    <section aria-label={m.models.memory}>
      <div class="row">
        <h2>{m.models.memory}</h2>
        <span class="spring" />
        <span>{memory.budget_bytes ? m.models.used(bytes(used), bytes(memory.budget_bytes)) : m.models.usedOnly(bytes(used))}</span>
      </div>
      <div class="memory-bar">
        {loaded.map((model) => <i key={model.id} style={{ width: `${(model.memory.total_bytes / all) * 100}%` }} title={`${model.id}: ${bytes(model.memory.total_bytes)}`} />)}
      </div>
      {memory.rss_bytes !== null && <small>{m.models.server(bytes(memory.rss_bytes))}</small>}
    </section>
  );
}

function Installed({ model }: { model: Model }) {
  const busy = useSignal(false);
  const { id, status } = model;
  const builtIn = id.startsWith("tern-guide");
  const loading = status.value === "loading" || busy.value;

  const load = async () => {
    busy.value = true;
    // The progress is asked for while the request waits for the end.
    const timer = setInterval(refreshModels, 300);
    await attempt(async () => {
      const { load_seconds } = await api.load(id);
      tell(m.models.loaded(id, duration(load_seconds * 1000)));
    });
    clearInterval(timer);
    busy.value = false;
    await Promise.all([refreshModels(), refreshServer()]);
  };
  const unload = async () => {
    await attempt(async () => {
      try {
        await api.unload(id);
      } catch (error) {
        if (!(await confirmed(m.models.busyTitle, (error as Error).message, m.models.unload))) return;
        await api.unload(id, true);
      }
      tell(m.models.unloaded(id));
    });
    await Promise.all([refreshModels(), refreshServer()]);
  };
  const remove = async () => {
    if (!(await confirmed(m.models.deleteTitle(id), m.models.deleteText(bytes(model.memory.weights_bytes)), m.remove))) return;
    await attempt(async () => {
      await api.deleteModel(id);
      tell(m.models.deleted(id));
    });
    await Promise.all([refreshModels(), refreshCatalog()]);
  };
  const chat = () => {
    newChat();
    prefer(id);
    wish({ model: null });
  };
  const about = [
    model.quantization, model.engine, bytes(model.memory.weights_bytes), m.models.parameters(weights(model.meta.n_params)), m.models.context(count(model.context_length)),
    m.models.needs(bytes(model.memory.total_bytes)), chats(model) ? null : m.models.embedding, builtIn ? m.models.builtIn : null, model.meta.license,
  ].filter(Boolean);
  return (
    <li class="model-row">
      <div class="model-what">
        <b>{id}</b> {status.value === "loading" ? <span class="badge">{m.models.loading(percent(status.progress))}</span> : <ModelState model={model} />}
        <small>{about.join(" · ")}</small>
        {loading && <progress max={1} value={status.progress} aria-label={m.models.loading(percent(status.progress))} />}
      </div>
      <div class="model-do">
        {chats(model) && <button type="button" class="button small" onClick={chat}><Icon of={MessageSquare} size={14} /> {m.models.chat}</button>}
        {status.value === "loaded" || status.value === "loading"
          ? <button type="button" class="button small" onClick={unload}>{m.models.unload}</button>
          : <button type="button" class="button small" disabled={loading || fits(model.memory.total_bytes) === false} onClick={load}>{m.models.load}</button>}
        <Menu label={m.models.menu(id)} align="end" button={(properties) => <IconButton icon={Ellipsis} size={16} label={m.models.menu(id)} {...properties} />}
          entries={() => [
            chats(model) && { label: m.models.compare, icon: Columns2, act: () => { go("/compare"); compareForms(id); } },
            { label: m.chat.asCode, icon: Code, act: () => showCode({ method: "POST", path: "/api/models/load", body: { model: id } }) },
            !builtIn && "-",
            !builtIn && { label: m.chat.delete, icon: Trash2, danger: true, act: () => void remove() },
          ]} />
      </div>
    </li>
  );
}

/** Beside its file a model needs room for keys, values and buffers; until the header is read this is a guess. */
const needed = (size: number) => size * 1.15;

function Catalogue() {
  const name = useSignal("");
  const entries = catalog.value ?? [];
  const files = entries.flatMap((entry) => entry.files);
  const fitting = files.filter((file) => file.bytes !== null && fits(needed(file.bytes)) !== false).length;
  const others = [...pulls.value.keys()].filter((one) => !files.some((file) => file.id === one));
  return (
    <section>
      <h2>{m.models.catalogue}</h2>
      <p class="hint-line">{m.models.catalogueHint} {info.value && files.length > 0 && m.models.largest(fitting, files.length)}</p>
      <ul class="model-rows">{entries.map((entry) => <Entry key={entry.name} entry={entry} />)}</ul>
      <form class="other-file" onSubmit={(event) => { event.preventDefault(); if (name.value.trim()) { void pull(name.value.trim()); name.value = ""; } }}>
        <label class="field">
          <span>{m.models.other}</span>
          <input type="text" value={name.value} placeholder={m.models.otherHint} onInput={(event) => (name.value = event.currentTarget.value)} />
        </label>
        <button type="submit" class="button" disabled={!name.value.trim()}><Icon of={Download} size={16} /> {m.models.pull}</button>
      </form>
      {others.map((one) => <div class="model-row" key={one}><div class="model-what"><b>{one}</b><Progress name={one} /></div></div>)}
    </section>
  );
}

function Entry({ entry }: { entry: CatalogEntry }) {
  return (
    <li class="model-row entry-row">
      <div class="model-what"><b>{entry.title}</b><small>{[entry.parameters, entry.license].join(" · ")}</small></div>
      <ul class="file-rows">
        {entry.files.map((file) => {
          const room = file.bytes === null ? null : fits(needed(file.bytes));
          return (
            <li key={file.id}>
              <span class="file-name">{file.quantization}</span>
              <span>{file.bytes === null ? "" : bytes(file.bytes)}</span>
              <small>{file.engine}</small>
              {file.on_disk ? <span class="badge good">{m.models.onDisk}</span> : room === null ? <span /> : room ? <span class="badge">{m.picker.fits}</span> : <span class="badge bad">{m.picker.tooLarge}</span>}
              <span class="spring" />
              {pulls.value.has(file.id) ? <Progress name={file.id} /> : !file.on_disk && (
                <>
                  <IconButton icon={Code} size={16} label={`${m.chat.asCode} ${file.id}`} onClick={() => showCode({ method: "POST", path: "/api/models/pull", body: { model: file.id }, streams: true })} />
                  <button type="button" class="button small" aria-label={`${m.models.pull} ${file.id}`} onClick={() => pull(file.id)}><Icon of={Download} size={14} /> {m.models.pull}</button>
                </>
              )}
            </li>
          );
        })}
      </ul>
    </li>
  );
}
