// The Chat tab.

import { useSignal } from "@preact/signals";
import { SlidersHorizontal } from "lucide";
import { useEffect } from "preact/hooks";
import { m } from "../i18n";
import { narrow } from "../layout";
import { keep, recall } from "../lib/keep";
import { route } from "../router";
import { Icon } from "../ui/icon";
import { Composer } from "./composer";
import { Log } from "./log";
import { ModelPicker } from "./picker";
import { shown } from "./parameters";
import { SettingsPanel } from "./settings";
import { closeGone, conversation, loading, model, modelId, openId, path, problem, reread, settings, wish } from "./state";

export default function ChatPage() {
  const panel = useSignal(recall("settings") === "open" && !narrow.peek());
  const given = useSignal<{ text: string; key: number } | null>(null);
  const here = route.value;
  const target = here.tab === "chat" ? here.message : null;
  const title = conversation.value?.title;
  useEffect(() => {
    document.title = title ? `${title} – ${m.name}` : m.name;
  }, [title]);
  const setPanel = (open: boolean) => {
    panel.value = open;
    keep("settings", open ? "open" : null);
  };
  const parameters = Object.entries(settings.value.parameters);
  if (problem.value) return <Problem />;
  const empty = path.value.length === 0 && !loading.value;
  return (
    <div class={`chat ${panel.value ? "with-settings" : ""}`}>
      <div class="chat-main">
        <div class="chat-bar">
          <ModelPicker chosen={modelId.value} choose={(id) => wish({ model: id })} />
          <span class="spring" />
          <span class="changed">{parameters.slice(0, 2).map(([name, value]) => <span>{m.settings.names[name]?.[0] ?? name} {shown(value).slice(0, 12)}</span>)}{parameters.length > 2 && <span>+{parameters.length - 2}</span>}</span>
          <button type="button" class="icon-button" aria-label={m.settings.label} title={m.settings.label} aria-expanded={panel.value} onClick={() => setPanel(!panel.value)}>
            <Icon of={SlidersHorizontal} />
          </button>
        </div>
        {empty ? <Empty ask={(text) => (given.value = { text, key: Date.now() })} /> : <Log key={openId.value ?? "new"} target={target} />}
        <Composer given={given.value} />
      </div>
      {panel.value && <><div class="backdrop settings-backdrop" onClick={() => setPanel(false)} /><SettingsPanel close={() => setPanel(false)} /></>}
    </div>
  );
}

function Empty({ ask }: { ask: (text: string) => void }) {
  const id = modelId.value;
  const guide = id?.startsWith("tern-guide") ?? false;
  const name = model.value?.meta.name ?? id ?? "";
  return (
    <div class="log-area">
      <div class="empty log" tabIndex={-1}>
        <div class="empty-inside">
          <h1>{guide ? m.chat.emptyTitle : name || m.chat.title}</h1>
          {id && <p>{guide ? m.chat.emptyText(name) : m.chat.emptyOther(name)} {guide && <a href="/models">{m.chat.emptyMore}</a>}</p>}
          <ul class="examples">
            {(guide ? m.chat.examples : m.chat.examplesOther).map((text) => <li><button type="button" onClick={() => ask(text)}>{text}</button></li>)}
          </ul>
        </div>
      </div>
    </div>
  );
}

function Problem() {
  const gone = problem.value === "gone";
  return (
    <div class="message-page">
      <h1>{gone ? m.chat.goneTitle : m.unreachable}</h1>
      {gone && <p>{m.chat.gone}</p>}
      <button type="button" class="button primary" onClick={gone ? closeGone : reread}>{gone ? m.chat.startNew : m.retry}</button>
    </div>
  );
}
