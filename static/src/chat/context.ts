// How full the context is. Exact for what has been answered; an estimate, from this conversation's own letters a
// token, for what is being typed; exact again from the server when it gets close.

import type { Message } from "../api";

export interface Filling {
  tokens: number;
  exact: boolean;
}

const LETTERS_A_TOKEN = 4;

export function filling(path: readonly Message[], draftLetters: number, systemLetters = 0): Filling {
  let last = path.length - 1;
  while (last >= 0 && !path[last]!.answer?.usage) last -= 1;
  const usage = path[last]?.answer?.usage;
  const counted = usage ? usage.prompt_tokens + usage.completion_tokens : 0;
  const before = path.slice(0, last + 1).reduce((sum, message) => sum + message.content.length, 0);
  const ratio = counted > 50 ? Math.min(Math.max(before / counted, 1), 8) : LETTERS_A_TOKEN;
  const after = path.slice(last + 1).reduce((sum, message) => sum + message.content.length, draftLetters);
  const extra = after + (usage ? 0 : systemLetters);
  return { tokens: counted + Math.ceil(extra / ratio), exact: extra === 0 };
}
