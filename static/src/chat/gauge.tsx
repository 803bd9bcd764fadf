// How full the context is, and what the whole conversation has used.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { call } from "../api";
import { m } from "../i18n";
import { count, percent } from "../lib/format";
import { show } from "../ui/dialog";
import { filling } from "./context";
import { model, path, running, settings } from "./state";

export function Gauge({ draft }: { draft: string }) {
  const limit = model.value?.context_length;
  const exact = useSignal<{ key: string; tokens: number } | null>(null);
  const system = settings.value.system_prompt ?? "";
  const guess = filling(path.value, draft.length, system.length);
  const key = `${path.value.at(-1)?.id}${draft}`;
  const tokens = exact.value?.key === key ? exact.value.tokens : guess.tokens;
  const near = limit !== undefined && guess.tokens > limit * 0.6 && draft !== "";

  // Close to the limit a guess is not good enough: the server counts.
  useEffect(() => {
    if (!near || model.value?.status.value !== "loaded") return;
    const timer = setTimeout(async () => {
      const messages = path.peek().map(({ role, content }) => ({ role, content }));
      if (system) messages.unshift({ role: "system", content: system });
      messages.push({ role: "user", content: draft });
      try {
        const { count: n } = await call<{ count: number }>("POST", "/v1/chat/render", { model: model.peek()!.id, messages });
        exact.value = { key, tokens: n };
      } catch {
        // The guess stays.
      }
    }, 600);
    return () => clearTimeout(timer);
  }, [near, key]);

  if (!limit) return <span class="gauge" />;
  const share = tokens / limit;
  const certain = exact.value?.key === key || guess.exact;
  return (
    <>
      {!running.value && share > 0.9 && (
        <p class="warning" role="alert">{share > 1 ? m.usage.over(count(tokens), count(limit)) : m.usage.nearly(count(limit - tokens))}</p>
      )}
      <button type="button" class={`gauge ${share > 0.9 ? "full" : ""}`} title={m.usage.title} onClick={showUsage}>
        <progress max={1} value={Math.min(share, 1)} aria-label={m.usage.gaugeLabel} />
        <span>{certain || share === 0 ? "" : `${m.usage.about} `}{m.usage.gauge(percent(share), count(limit))}</span>
      </button>
    </>
  );
}

function showUsage(): void {
  const answers = path.peek().filter((message) => message.answer?.usage);
  const sum = (field: "prompt_tokens" | "cached_tokens" | "completion_tokens") =>
    answers.reduce((total, message) => total + message.answer!.usage![field], 0);
  const most = Math.max(...answers.map((message) => message.answer!.usage!.prompt_tokens + message.answer!.usage!.completion_tokens), 1);
  show({
    title: m.usage.title,
    body: () => answers.length === 0 ? <p>{m.usage.none}</p> : (
      <>
        <dl class="figures">
          {([[m.usage.answers, answers.length], [m.usage.prompt, sum("prompt_tokens")], [m.usage.cached, sum("cached_tokens")], [m.usage.output, sum("completion_tokens")]] as const).map(([name, value]) => (
            <div><dt>{name}</dt><dd class="value">{count(value)}</dd></div>
          ))}
        </dl>
        <h3>{m.usage.chart}</h3>
        <ol class="bars">
          {answers.slice(-40).map((message) => {
            const usage = message.answer!.usage!;
            const fresh = usage.prompt_tokens - usage.cached_tokens;
            const part = (tokens: number) => ({ width: `${(tokens / most) * 100}%` });
            return (
              <li title={`${count(usage.cached_tokens)} + ${count(fresh)} + ${count(usage.completion_tokens)}`}>
                <i class="bar cached" style={part(usage.cached_tokens)} /><i class="bar prompt" style={part(fresh)} /><i class="bar output" style={part(usage.completion_tokens)} />
                <span>{count(usage.prompt_tokens)} + {count(usage.completion_tokens)}</span>
              </li>
            );
          })}
        </ol>
        <p class="legend"><i class="bar cached" /> {m.usage.cached} <i class="bar prompt" /> {m.usage.prompt} <i class="bar output" /> {m.usage.output}</p>
      </>
    ),
  });
}
