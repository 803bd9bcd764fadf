// The figures of an answer: a line, and a dialog that says what each means.

import type { Message } from "../api";
import { m } from "../i18n";
import { count, digits, duration, perSecond, rate } from "../lib/format";
import { show } from "../ui/dialog";
import { shown } from "./parameters";

export function speeds(message: Message) {
  const usage = message.answer?.usage;
  const times = message.answer?.timings;
  if (!usage || !times) return { prefill: null, decode: null };
  return {
    prefill: perSecond(usage.prompt_tokens - usage.cached_tokens, times.prefill_ms),
    // The first token is part of the prefill.
    decode: perSecond(usage.completion_tokens - 1, times.decode_ms),
  };
}

export function Stats({ message }: { message: Message }) {
  const { usage, timings } = message.answer ?? {};
  if (!usage || !timings) return <div class="stats" aria-hidden="true" />;
  const { prefill, decode } = speeds(message);
  const parts: [string | null, string][] = [
    [rate(decode), "key"],
    [m.stats.output(usage.completion_tokens), "key"],
    [m.stats.first(duration(timings.first_token_ms)), "key"],
    [`${m.stats.prompt(count(usage.prompt_tokens))} ${m.stats.cached(count(usage.cached_tokens))}`, ""],
    [prefill === null ? null : m.stats.prefill(`${digits(prefill)}/s`), ""],
    [m.stats.total(duration(timings.total_ms)), ""],
  ];
  return (
    <button type="button" class="stats" title={m.stats.label} onClick={() => details(message)}>
      {parts.map(([text, kind]) => text && <span class={kind}>{text}</span>)}
    </button>
  );
}

function details(message: Message): void {
  const { usage, timings } = message.answer!;
  const { prefill, decode } = speeds(message);
  const parameters = Object.entries(message.answer!.parameters ?? {}).map(([name, value]) => `${name} ${shown(value)}`);
  const rows: [string, string | null][] = [
    ["model", message.answer!.model],
    ["engine", message.answer!.engine],
    ["promptTokens", count(usage!.prompt_tokens)],
    ["cachedTokens", count(usage!.cached_tokens)],
    ["prefill", rate(prefill)],
    ["outputTokens", count(usage!.completion_tokens)],
    ["reasoningTokens", usage!.reasoning_tokens ? count(usage!.reasoning_tokens) : null],
    ["decode", rate(decode)],
    ["first", duration(timings!.first_token_ms)],
    ["queue", timings!.queue_ms >= 1 ? duration(timings!.queue_ms) : null],
    ["load", timings!.load_ms >= 1 ? duration(timings!.load_ms) : null],
    ["total", duration(timings!.total_ms)],
    ["finish", message.answer!.finish_reason],
    ["parameters", parameters.join(", ") || null],
  ];
  show({
    title: m.stats.title,
    body: () => (
      <dl class="figures">
        {rows.map(([key, value]) => value && (
          <div>
            <dt>{m.stats.rows[key]![0]}</dt>
            <dd class="value">{value}</dd>
            <dd class="meaning">{m.stats.rows[key]![1]}</dd>
          </div>
        ))}
      </dl>
    ),
  });
}
