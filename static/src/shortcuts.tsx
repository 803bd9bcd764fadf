// Keys that work everywhere, and the dialog that lists and changes them.

import { computed, signal, useSignal } from "@preact/signals";
import { m } from "./i18n";
import { keepJson, keep, recallJson } from "./lib/keep";
import { type Action, actionOf, combinations, refusal, usable, written } from "./lib/keys";
import { dialogOpen, show } from "./ui/dialog";

const own = signal(usable(recallJson<unknown>("keys", null)));

const actions = new Map<Action | "stop", () => void>([["help", showKeys]]);

/** Says what a key does now; the newest wins. */
export function onKey(action: Action | "stop", act: () => void): () => void {
  actions.set(action, act);
  return () => {
    if (actions.get(action) === act) actions.delete(action);
  };
}

const shown = (combination: string) => combination.replace("Escape", "Esc");

/** For tooltips. */
export const keysOf = (action: Action) => shown(combinations(action, own.value)[0]!);

addEventListener("keydown", (event) => {
  if (event.isComposing || event.defaultPrevented || dialogOpen()) return;
  const combination = written(event);
  const action = combination === null ? null : combination === "Escape" ? "stop" : actionOf(combination, own.peek());
  const act = action && actions.get(action);
  if (!act) return;
  // An open menu takes Escape for itself.
  if (action === "stop" && document.querySelector(":popover-open")) return;
  event.preventDefault();
  act();
});

const CHANGEABLE: Action[] = ["newChat", "search", "side", "focus", "help"];

const FIXED: [string, [string, string[]][]][] = [
  [m.keys.inChat, [
    [m.keys.send, ["Enter"]],
    [m.keys.line, ["Shift", "Enter"]],
    [m.keys.stop, ["Esc"]],
  ]],
  [m.keys.inCompare, [
    [m.keys.run, ["Ctrl", "Enter"]],
    [m.keys.vote, ["1 – 6"]],
    [m.keys.columns, ["[", "]"]],
    [m.keys.rerun, ["R"]],
    [m.keys.stop, ["Esc"]],
  ]],
];

export function showKeys(): void {
  show({ title: m.keys.title, body: () => <Keys /> });
}

const changed = computed(() => Object.keys(own.value).length > 0);

function Keys() {
  const asking = useSignal<Action | null>(null);
  const refused = useSignal<string | null>(null);
  const keepOwn = (next: typeof own.value) => {
    own.value = next;
    if (Object.keys(next).length > 0) keepJson("keys", next);
    else keep("keys", null);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const action = asking.value;
    if (!action || event.isComposing) return;
    const combination = written(event);
    if (combination === "Tab" || combination === "Shift+Tab") return;
    event.preventDefault();
    event.stopPropagation();
    if (combination === null) return;
    if (combination === "Escape") {
      asking.value = null;
      return;
    }
    const why = refusal(combination, action, own.value);
    if (why !== null) {
      refused.value = m.keys.refused[why]?.(shown(combination)) ?? m.keys.taken(shown(combination), m.keys[why as Action]);
      return;
    }
    asking.value = refused.value = null;
    keepOwn({ ...own.value, [action]: combination });
  };
  const ask = (action: Action) => {
    asking.value = asking.value === action ? null : action;
    refused.value = null;
  };
  return (
    <>
      <section class="keys">
        <h3>{m.keys.everywhere}</h3>
        <dl>
          {CHANGEABLE.map((action) => (
            <div key={action}>
              <dt>{m.keys[action]}</dt>
              <dd>
                <button type="button" class="key-button" aria-label={`${m.keys[action]}: ${keysOf(action)}. ${m.keys.change}`} title={m.keys.change} aria-pressed={asking.value === action}
                  onClick={() => ask(action)} onKeyDown={onKeyDown} onBlur={() => (asking.value = null)}>
                  {asking.value === action ? m.keys.press : keysOf(action).split("+").map((key) => <kbd>{key}</kbd>)}
                </button>
              </dd>
            </div>
          ))}
        </dl>
        {refused.value && <p class="warning" role="alert">{refused.value}</p>}
        {changed.value && <button type="button" class="link" onClick={() => { keepOwn({}); refused.value = null; }}>{m.keys.reset}</button>}
      </section>
      {FIXED.map(([title, keys]) => (
        <section class="keys" key={title}>
          <h3>{title}</h3>
          <dl>{keys.map(([what, combination]) => <div key={what}><dt>{what}</dt><dd>{combination.map((key) => <kbd>{key}</kbd>)}</dd></div>)}</dl>
        </section>
      ))}
    </>
  );
}
