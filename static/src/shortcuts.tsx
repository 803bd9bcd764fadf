// Keys that work everywhere, and the dialog that lists all of them.

import { m } from "./i18n";
import { dialogOpen, show } from "./ui/dialog";

type Action = "newChat" | "search" | "side" | "focus" | "help" | "stop";

const actions = new Map<Action, () => void>([["help", showKeys]]);

/** Says what a key does now; the newest wins. */
export function onKey(action: Action, act: () => void): () => void {
  actions.set(action, act);
  return () => {
    if (actions.get(action) === act) actions.delete(action);
  };
}

function actionOf(event: KeyboardEvent): Action | null {
  const ctrl = event.ctrlKey || event.metaKey;
  const key = event.key.toLowerCase();
  if (ctrl && event.shiftKey && key === "o") return "newChat";
  if (ctrl && !event.shiftKey && key === "k") return "search";
  if ((ctrl && !event.shiftKey && key === "b") || (ctrl && event.shiftKey && key === "s")) return "side";
  if (event.shiftKey && key === "escape") return "focus";
  if (ctrl && (key === "/" || key === "?")) return "help";
  if (key === "escape") return "stop";
  return null;
}

addEventListener("keydown", (event) => {
  if (event.isComposing || event.defaultPrevented || dialogOpen()) return;
  const action = actionOf(event);
  const act = action && actions.get(action);
  if (!act) return;
  // An open menu takes Escape for itself.
  if (action === "stop" && document.querySelector(":popover-open")) return;
  event.preventDefault();
  act();
});

const rows: [string, [string, string[]][]][] = [
  [m.keys.everywhere, [
    [m.keys.newChat, ["Ctrl", "Shift", "O"]],
    [m.keys.search, ["Ctrl", "K"]],
    [m.keys.side, ["Ctrl", "B"]],
    [m.keys.focus, ["Shift", "Esc"]],
    [m.keys.help, ["Ctrl", "/"]],
  ]],
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
  show({
    title: m.keys.title,
    body: () => rows.map(([title, keys]) => (
      <section class="keys">
        <h3>{title}</h3>
        <dl>
          {keys.map(([what, combination]) => (
            <div>
              <dt>{what}</dt>
              <dd>{combination.map((key) => <kbd>{key}</kbd>)}</dd>
            </div>
          ))}
        </dl>
      </section>
    )),
  });
}
