// Models of the stand-in.

import { Stream, now, refuse, sleep } from "./mock-tools.mjs";

const MB = 1e6;

function model(id, engine, quantization, megabytes, params, context, mock, fields = {}) {
  const weights = megabytes * MB;
  return {
    id, object: "model", created: 1795544318, owned_by: "tern", aliases: [], context_length: context, max_model_len: context,
    capabilities: ["completion", "chat"], engine, quantization, status: { value: mock.loaded ? "loaded" : "unloaded", progress: mock.loaded ? 1 : 0 },
    memory: { weights_bytes: weights, kv_bytes: context * 4096, fixed_bytes: 12 * MB, total_bytes: weights + context * 4096 + 12 * MB },
    meta: { name: fields.name ?? id, architecture: fields.architecture ?? "qwen2", n_params: params, size: weights, n_ctx_train: context, n_vocab: 32000, n_embd: 896, license: fields.license ?? "Apache-2.0" },
    mock: { load: 400, prefill: 120, step: 12, ...mock },
  };
}

export const models = new Map([
  model("tern-guide", "bitnet", "I2_S", 1.9, 3.68e6, 1024, { loaded: true, step: 5, prefill: 20 }, { name: "Tern guide", architecture: "bitnet-b1.58", license: "MIT OR Apache-2.0" }),
  model("tern-guide-q8_0", "llama", "Q8_0", 3.9, 3.67e6, 1024, { step: 6, prefill: 30 }, { name: "Tern guide", architecture: "llama", license: "MIT OR Apache-2.0" }),
  model("bitnet-2b-4t:i2_s@bitnet", "bitnet", "I2_S", 1187, 2.41e9, 4096, { load: 1200, step: 17 }, { name: "BitNet b1.58 2B4T", architecture: "bitnet-b1.58", license: "MIT" }),
  model("qwen2.5-1.5b:q4_k_m@llama", "llama", "Q4_K_M", 1117, 1.54e9, 8192, { load: 900, step: 26 }, { name: "Qwen2.5 1.5B Instruct" }),
  model("qwen2.5-1.5b:q8_0@llama", "llama", "Q8_0", 1894, 1.54e9, 8192, { load: 1400, step: 40 }, { name: "Qwen2.5 1.5B Instruct" }),
  model("qwen3-32b:q4_k_m@llama", "llama", "Q4_K_M", 19800, 32.8e9, 8192, { load: 9000, step: 900 }, { name: "Qwen3 32B", architecture: "qwen3" }),
  model("slow-thinker", "llama", "Q4_K_M", 812, 1.1e9, 4096, { reasoning: true, step: 60 }, { name: "Slow thinker" }),
  ...["echo", "echo-pieces", "echo-slow", "echo-long", "echo-reasoning"].map((id) => model(id, "echo", "F32", 1, 1e6, 8192, { prefill: 1, load: 20, step: { "echo-slow": 20, "echo-long": 2 }[id] ?? 1, reasoning: id === "echo-reasoning" })),
  model("echo-error", "echo", "F16", 1, 1e6, 4096, { fail: true }, { name: "Broken on purpose" }),
].map((m) => [m.id, m]));

const catalog = [
  ["bitnet-2b-4t", "BitNet b1.58 2B4T", "2B", "MIT", [["i2_s", "bitnet", 1187801280, true]]],
  ["smollm2-1.7b", "SmolLM2 1.7B Instruct", "1.7B", "Apache-2.0", [["q8_0", "llama", 1820414944, false], ["q4_k_m", "llama", 1055609536, false]]],
  ["qwen2.5-0.5b", "Qwen2.5 0.5B Instruct", "0.5B", "Apache-2.0", [["q8_0", "llama", 675710816, false], ["q4_k_m", "llama", 491400032, false]]],
  ["qwen2.5-1.5b", "Qwen2.5 1.5B Instruct", "1.5B", "Apache-2.0", [["q8_0", "llama", 1894532128, true], ["q4_k_m", "llama", 1117320736, true]]],
  ["bert-base-ner", "BERT base NER", "108M", "MIT", [["f32", "candle", 433292294, false]]],
  ["blip-base", "BLIP captioning base", "247M", "BSD-3-Clause", [["f32", "candle", 989820849, false]]],
  ["whisper-base", "Whisper base", "74M", "Apache-2.0", [["f32", "candle", 290403936, false]]],
  ["llama-70b", "Llama 3.3 70B Instruct", "70B", "Llama 3.3", [["q4_k_m", "llama", 42520393152, false]]],
].map(([name, title, parameters, license, files]) => ({
  name, title, parameters, license,
  files: files.map(([quantization, engine, bytes, on_disk]) => ({ id: `${name}:${quantization}@${engine}`, quantization, engine, bytes, on_disk, repository: `example/${name}-GGUF`, file: `${name}-${quantization}.gguf` })),
}));

const shown = ({ mock, ...rest }) => rest;
const find = (id) => models.get(id) ?? refuse(404, "model_not_found", `there is no model ${id}`);
const used = () => [...models.values()].filter((m) => m.status.value === "loaded").reduce((sum, m) => sum + m.memory.total_bytes, 0);
const budget = 6.4e9;

async function load({ body }) {
  const m = find(body.model);
  if (m.memory.total_bytes > budget) refuse(507, "insufficient_memory", `${m.id} needs ${(m.memory.total_bytes / 1e9).toFixed(1)} GB, the budget is ${(budget / 1e9).toFixed(1)} GB`);
  for (let i = 0; i <= 10 && m.status.value !== "loaded"; i++) {
    m.status = { value: "loading", progress: i / 10 };
    await sleep(m.mock.load / 10);
  }
  m.status = { value: "loaded", progress: 1 };
  return { model: m.id, load_seconds: m.mock.load / 1000 };
}

async function pull({ body, request, response }) {
  const file = catalog.flatMap((e) => e.files).find((f) => f.id === body.model || f.id.startsWith(`${body.model}:`));
  if (!file) refuse(404, "model_not_found", `no model ${body.model} is known`);
  const stream = new Stream();
  stream.join(request, response, 0);
  let gone = false;
  response.on("close", () => (gone = true));
  const event = (status, done, model = null) => stream.send({ status, file: file.file, bytes_done: done, bytes_total: file.bytes, resumed_from: 0, model });
  event("checking", 0);
  for (let i = 1; i <= 40 && !gone; i++) {
    event("downloading", Math.floor((file.bytes * i) / 40));
    await sleep(100);
  }
  if (gone) return;
  event("verifying", file.bytes);
  await sleep(300);
  file.on_disk = true;
  models.set(file.id, model(file.id, file.engine, file.quantization.toUpperCase(), file.bytes / MB, 5e8, 8192, {}));
  event("done", file.bytes, file.id);
  stream.end();
}

export const modelRoutes = [
  ["GET", /^\/health$/, () => ({ status: "ok", version: "0.1.0 (mock)", loaded: [...models.values()].filter((m) => m.status.value === "loaded").map((m) => m.id) })],
  ["GET", /^\/api\/server$/, () => ({ version: "0.1.0 (mock)", processors: 2, threads: 2, memory: { budget_bytes: budget, used_bytes: used(), rss_bytes: 9.1e7 }, features: ["chat", "compare", "models", "ocr"], started_ms: now() })],
  ["GET", /^\/v1\/models$/, () => ({ object: "list", data: [...models.values()].map(shown) })],
  ["GET", /^\/v1\/models\/(.+)$/, ({ match }) => shown(find(match[1]))],
  ["GET", /^\/api\/catalog$/, () => ({ data: catalog })],
  ["POST", /^\/api\/models\/load$/, load],
  ["POST", /^\/api\/models\/unload$/, ({ body }) => { find(body.model).status = { value: "unloaded", progress: 0 }; return { model: body.model, unloaded: true }; }],
  ["POST", /^\/api\/models\/pull$/, pull],
  ["DELETE", /^\/api\/models\/(.+)$/, ({ match }) => {
    find(match[1]);
    models.delete(match[1]);
    for (const file of catalog.flatMap((e) => e.files)) if (file.id === match[1]) file.on_disk = false;
    return { model: match[1], deleted: true };
  }],
];
