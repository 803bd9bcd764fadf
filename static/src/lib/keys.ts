// Keys as a person writes them: "Ctrl+Shift+O". Cmd counts as Ctrl.

export type Action = "newChat" | "search" | "side" | "focus" | "help";

/** The first is the one that is shown. */
export const DEFAULTS: Readonly<Record<Action, readonly string[]>> = {
  newChat: ["Ctrl+Shift+O"],
  search: ["Ctrl+K"],
  side: ["Ctrl+B", "Ctrl+Shift+S"],
  focus: ["Shift+Escape"],
  help: ["Ctrl+/"],
};

export type Own = Partial<Record<Action, string>>;

type Press = Pick<KeyboardEvent, "key" | "ctrlKey" | "metaKey" | "altKey" | "shiftKey">;

/** What was pressed; `null` while only Ctrl, Shift and the like are down. */
export function written({ key, ctrlKey, metaKey, altKey, shiftKey }: Press): string | null {
  if (["Control", "Meta", "Alt", "AltGraph", "Shift", "Dead", "Process", "Unidentified"].includes(key)) return null;
  // Where a sign is on the keyboard, and whether it needs Shift, differs from country to country.
  const sign = key.length === 1 && !/[\p{L}\p{N}]/u.test(key);
  const name = key === "?" ? "/" : key === " " ? "Space" : key.length === 1 ? key.toUpperCase() : key;
  return [ctrlKey || metaKey ? "Ctrl" : "", altKey ? "Alt" : "", shiftKey && !sign ? "Shift" : "", name].filter(Boolean).join("+");
}

export const combinations = (action: Action, own: Own): readonly string[] => (own[action] ? [own[action]] : DEFAULTS[action]);

export function actionOf(combination: string, own: Own): Action | null {
  const actions = Object.keys(DEFAULTS) as Action[];
  return actions.find((action) => combinations(action, own).includes(combination)) ?? null;
}

/** What the browser keeps for itself, and what other keys of the page mean. */
const RESERVED = ["Ctrl+N", "Ctrl+T", "Ctrl+W", "Ctrl+Shift+N", "Ctrl+Shift+T", "Ctrl+Shift+W", "Ctrl+Enter", "Ctrl+C", "Ctrl+V", "Ctrl+X", "Ctrl+A", "Ctrl+Z"];

/** Why these keys cannot be taken: they are typing, the browser's, or another action's. */
export function refusal(combination: string, action: Action, own: Own): "typing" | "reserved" | Action | null {
  if (RESERVED.includes(combination)) return "reserved";
  if (!/^(Ctrl|Alt)\+/.test(combination) && !/^(Shift\+)?F\d+$/.test(combination) && combination !== "Shift+Escape") return "typing";
  const other = actionOf(combination, own);
  return other === action ? null : other;
}

/** What was kept, as far as it can be used. */
export function usable(kept: unknown): Own {
  const own: Own = {};
  if (typeof kept !== "object" || kept === null) return own;
  for (const action of Object.keys(DEFAULTS) as Action[]) {
    const combination = (kept as Record<string, unknown>)[action];
    if (typeof combination === "string" && refusal(combination, action, own) === null) own[action] = combination;
  }
  return own;
}
