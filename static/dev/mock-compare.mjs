// Comparisons of the stand-in.

import { models } from "./mock-models.mjs";
import { answerFor, pieces } from "./mock-texts.mjs";
import { Stream, id, now, refuse, sleep } from "./mock-tools.mjs";

const comparisons = new Map();
const streams = new Map();
const find = (x) => comparisons.get(x) ?? refuse(404, "not_found", `there is no comparison ${x}`);

async function runCell(comparison, stream, prompt, column, repetition) {
  const key = { prompt, column, repetition };
  const asked = comparison.request.columns[column];
  const model = models.get(asked.model);
  const say = (state, share = null, position = null) => stream.send({ type: "cell", ...key, state, share, position });
  const began = performance.now();
  const ms = () => Math.round((performance.now() - began) * 10) / 10;
  const timeline = [];
  const result = { ...key, model: asked.model, engine: model?.engine ?? null, text: "", reasoning: null, finish_reason: null, error: null, warning: null, assertions: [], started_ms: now(), timeline };
  if (!model) result.error = `there is no model ${asked.model}`;
  else if (model.mock.fail) result.error = "the engine failed after three tokens";
  else {
    if (model.status.value !== "loaded") {
      for (let i = 0; i <= 4; i++) { say("loading", i / 4); await sleep(model.mock.load / 8); }
      model.status = { value: "loaded", progress: 1 };
      result.load_ms = ms();
      timeline.push({ phase: "load", from_ms: 0, to_ms: ms() });
    }
    const loaded = ms();
    say("prefill", 0.5);
    await sleep(model.mock.prefill);
    const first = ms();
    timeline.push({ phase: "prefill", from_ms: loaded, to_ms: first });
    const { reasoning, text } = answerFor(comparison.request.prompts[prompt], model);
    result.reasoning = reasoning;
    say("writing");
    let n = 0;
    result.finish_reason = "stop";
    for (const piece of pieces(text).slice(0, comparison.request.parameters?.max_tokens ?? 500)) {
      if (stream.stopped) { result.finish_reason = "stopped"; break; }
      result.text += piece;
      n++;
      stream.send({ type: "text", ...key, text: piece });
      await sleep(model.mock.step);
    }
    const decode = ms() - first;
    timeline.push({ phase: "write", from_ms: first, to_ms: ms() });
    const size = model.memory.weights_bytes;
    Object.assign(result, {
      queue_ms: 0.1, first_token_ms: first - loaded, prefill_ms: first - loaded, prefill_per_second: 40000 / (first - loaded), decode_ms: decode,
      decode_per_second: ((n - 1) * 1000) / decode, token_ms_p50: decode / n, token_ms_p95: (decode / n) * 1.4, total_ms: ms() - loaded, threads: 2,
      prompt_tokens: 40, cached_tokens: 0, completion_tokens: n, words: result.text.split(/\s+/).length, file_bytes: size, bits_per_weight: (size * 8) / model.meta.n_params,
      weights_bytes: size, kv_bytes: 1.2e6, rss_before: 9e7, rss_after: 9e7 + size, rss_peak: 9.4e7 + size, mean_logprob: -0.31 - column / 20, perplexity: Math.exp(0.31 + column / 20),
      top1_agreement: column === comparison.request.reference ? null : 0.953, kl: column === comparison.request.reference ? null : 0.021,
      assertions: comparison.request.assertions?.map((a) => a.kind !== "contains" || result.text.includes(a.value)) ?? [],
    });
  }
  comparison.results.cells = [...comparison.results.cells.filter((c) => c.prompt !== prompt || c.column !== column || c.repetition !== repetition), result];
  stream.send({ type: "result", ...key, result });
  say(result.error ? "failed" : "done");
}

function summarise(comparison) {
  const { columns } = comparison.request;
  const names = ["first_token_ms", "prefill_per_second", "decode_per_second", "total_ms", "completion_tokens"];
  comparison.results.summary = columns.map((_, column) => {
    const row = { column, best: [] };
    for (const name of names) {
      const values = comparison.results.cells.filter((c) => c.column === column).map((c) => c[name]).filter((v) => v != null);
      const mean = values.length ? values.reduce((a, b) => a + b, 0) / values.length : null;
      const deviation = values.length > 1 ? Math.sqrt(values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / (values.length - 1)) : null;
      row[name] = { mean, deviation, n: values.length };
    }
    return row;
  });
  for (const [name, less] of [["first_token_ms", true], ["decode_per_second", false]]) {
    const ranked = [...comparison.results.summary].filter((s) => s[name].mean != null).sort((a, b) => (a[name].mean - b[name].mean) * (less ? 1 : -1));
    if (ranked.length > 1) ranked[0].best.push(name);
  }
}

async function runAll(comparison, stream, todo) {
  comparison.status = "generating";
  stream.send(structuredClone({ type: "comparison", comparison }));
  todo.forEach(([prompt, column, repetition], index) => stream.send({ type: "cell", prompt, column, repetition, state: "waiting", share: null, position: index + 1 }));
  if (comparison.request.mode === "concurrent") await Promise.all(todo.map((cell) => runCell(comparison, stream, ...cell)));
  else for (const cell of todo) if (!stream.stopped) await runCell(comparison, stream, ...cell);
  summarise(comparison);
  comparison.status = stream.stopped ? "stopped" : "complete";
  comparison.updated_ms = now();
  stream.send({ type: "end", comparison });
  stream.end();
}

function start({ body, request, response }) {
  const prompts = body.prompts ?? [body.prompt];
  if (!prompts.length) refuse(400, "invalid_value", "prompts is empty; at least one is needed", "prompts");
  const wanted = { mode: "sequential", repetitions: 1, warmup: true, cache: "cold", unload_between: false, reference: 0, parameters: {}, assertions: [], quality: true, ...body, prompts };
  const comparison = {
    id: id("cmp"), title: body.title ?? prompts[0].slice(0, 60), created_ms: now(), updated_ms: now(), status: "generating", request: wanted,
    results: { cells: [], summary: [], machine: { threads: 2, processors: 2, load_average: 0.6, warning: /busy/.test(prompts[0]) ? "other programs keep 1.2 of 2 processors busy" : null } }, judgement: { votes: [], notes: "" },
  };
  comparisons.set(comparison.id, comparison);
  const stream = new Stream();
  streams.set(comparison.id, stream);
  if (response) stream.join(request, response, 0);
  const todo = [];
  for (let repetition = 0; repetition < wanted.repetitions; repetition++) prompts.forEach((_, prompt) => wanted.columns.forEach((_, column) => todo.push([prompt, column, repetition])));
  return runAll(comparison, stream, todo);
}

const begin = (context) => void start(context);

export const compareRoutes = [
  ["POST", /^\/api\/compare$/, begin],
  ["GET", /^\/api\/compare$/, () => {
    const data = [...comparisons.values()].reverse().map(({ results, ...rest }) => rest);
    return { object: "list", data, has_more: false, total: data.length };
  }],
  ["GET", /^\/api\/compare\/([^/]+)$/, ({ match }) => find(match[1])],
  ["PATCH", /^\/api\/compare\/([^/]+)$/, ({ match, body }) => Object.assign(find(match[1]), body)],
  ["DELETE", /^\/api\/compare\/([^/]+)$/, ({ match }) => { find(match[1]); comparisons.delete(match[1]); return { deleted: 1 }; }],
  ["POST", /^\/api\/compare\/([^/]+)\/stop$/, async ({ match }) => { const s = streams.get(match[1]); s.stopped = true; await s.ended; return find(match[1]); }],
  ["POST", /^\/api\/compare\/([^/]+)\/rerun$/, ({ match, body, request, response }) => {
    const comparison = find(match[1]);
    const stream = new Stream();
    streams.set(comparison.id, stream);
    stream.join(request, response, 0);
    void runAll(comparison, stream, [[body.prompt, body.column, 0]]);
  }],
  ["GET", /^\/api\/compare\/([^/]+)\/events$/, ({ match, query, request, response }) => streams.get(match[1]).join(request, response, Number(query.get("after") ?? 0))],
  ["GET", /^\/api\/compare\/([^/]+)\/export$/, ({ match, query, response }) => {
    response.writeHead(200, { "content-disposition": `attachment; filename="comparison.${query.get("format")}"` }).end(JSON.stringify(find(match[1])));
  }],
];

if (!process.env.EMPTY) {
  void start({ body: { prompts: ["How do I compare two quantizations?"], columns: [{ model: "tern-guide" }, { model: "tern-guide-q8_0" }, { model: "qwen2.5-1.5b:q4_k_m@llama" }], repetitions: 1, parameters: { temperature: 0, max_tokens: 120 } } });
}
