// Tasks of the stand-in: names by a list, a page that always says the same, and a speech that is always held.

import { models } from "./mock-models.mjs";
import { refuse, sleep } from "./mock-tools.mjs";

const timings = (began, load = 0) => ({ total_ms: performance.now() - began, load_ms: load });

async function formOf(request, raw) {
  if (!/^multipart\//.test(request.headers["content-type"] ?? "")) return null;
  return new Response(raw, { headers: { "content-type": request.headers["content-type"] } }).formData();
}

const NAMES = [["PER", /Ada Lovelace|Charles Babbage|José Martínez|Wolfgang|Sarah/gu], ["ORG", /United Nations|Siemens|Tern/gu], ["LOC", /London|São Paulo|Zürich|Köln/gu], ["MISC", /Analytical Engine/gu], ["DATE", /1843|Tuesday/gu]];

async function ner({ body }) {
  const began = performance.now();
  await sleep(300);
  if (/fail on purpose/.test(body.input)) refuse(400, "invalid_value", "input is too short for this model", "input");
  const points = (text) => [...text].length;
  const entities = NAMES.flatMap(([entity_group, pattern]) => [...body.input.matchAll(pattern)].map((found) => {
    const start = points(body.input.slice(0, found.index));
    const bytes = Buffer.byteLength(body.input.slice(0, found.index));
    return { entity_group, word: found[0], score: 0.99 - (start % 17) / 60, start, end: start + points(found[0]), byte_start: bytes, byte_end: bytes + Buffer.byteLength(found[0]) };
  })).sort((a, b) => a.start - b.start);
  const tokens = Math.ceil(body.input.length / 4);
  return { object: "list", model: body.model, data: [{ index: 0, entities }], usage: { prompt_tokens: tokens, total_tokens: tokens }, timings: timings(began) };
}

const PAGE = [["Tern reads what is written", 0.97], ["in a picture, word by word,", 0.93], ["and says how sure it is.", 0.9], ["", 0], ["Smudged lettcrs are marked.", 0.5]];

async function ocr() {
  const began = performance.now();
  await sleep(500);
  const lines = [];
  let paragraph = 0;
  PAGE.forEach(([text, confidence], row) => {
    if (!text) return void (paragraph += 1);
    let x = 40;
    const y = 40 + row * 50;
    const around = (left, width) => [[left, y], [left + width, y], [left + width, y + 34], [left, y + 34]];
    const words = text.split(" ").map((word, index) => {
      const width = word.length * 17;
      const polygon = around(x, width);
      x += width + 17;
      return { text: word, confidence: Math.min(1, confidence - (index % 3) * 0.03 + (confidence < 0.6 && index !== 1 ? 0.4 : 0)), polygon, box: {} };
    });
    lines.push({ text, confidence, polygon: around(40, x - 57), box: {}, block: 0, paragraph, words });
  });
  return { model: "tesseract", text: PAGE.map(([text]) => text).join("\n"), width: 600, height: 320, rotation: null, lines, timings: timings(began) };
}

async function caption({ request, raw }) {
  const began = performance.now();
  const form = await formOf(request, raw);
  await sleep(600);
  const question = form.get("question");
  return { model: form.get("model"), text: question ? "two" : "an image of a small boat with a white sail on a lake", usage: { completion_tokens: question ? 1 : 10 }, timings: timings(began) };
}

const SAID = ["And so, my fellow Americans,", "ask not what your country can do for you,", "ask what you can do for your country."];

async function transcribe({ request, raw, response }) {
  const form = await formOf(request, raw);
  const withWords = form.getAll("timestamp_granularities[]").includes("word");
  const segments = SAID.map((text, id) => ({ id, start: id * 1.2, end: id * 1.2 + 1, text: ` ${text}` }));
  const words = segments.flatMap(({ text, start }) => text.trim().split(" ").map((word, index, all) => ({ word, start: start + index / all.length, end: start + (index + 1) / all.length })));
  const whole = { text: SAID.join(" "), language: "en", duration: 3.6, segments, ...(withWords ? { words } : {}) };
  if (form.get("stream") !== "true") return whole;
  response.writeHead(200, { "content-type": "text/event-stream" });
  const event = (data) => response.write(`data: ${JSON.stringify(data)}\n\n`);
  for (const segment of segments) {
    await sleep(500);
    event({ type: "transcript.text.delta", delta: segment.text });
    event({ type: "transcript.text.segment", ...segment });
  }
  event({ type: "transcript.text.done", ...whole });
  response.end("data: [DONE]\n\n");
}

/** NO_TASKS: a server to which nothing has been fetched yet. */
if (!process.env.NO_TASKS) {
  const like = models.get("echo");
  for (const [id, capabilities, engine, megabytes] of [
    ["bert-base-ner", ["ner"], "candle", 431], ["tern-ner-tiny", ["ner"], "candle", 4], ["blip-base", ["caption"], "candle", 990], ["blip-vqa-base", ["visual_questions"], "candle", 1540],
    ["whisper-base", ["transcription"], "candle", 145], ["echo-vision", ["completion", "chat", "vision"], "echo", 1],
    ["echo-ner", ["ner"], "echo", 1], ["echo-ocr", ["ocr"], "echo", 1], ["echo-caption", ["caption", "visual_questions"], "echo", 1], ["echo-speech", ["transcription"], "echo", 1], ["tesseract", ["ocr"], "tesseract", 23],
  ]) models.set(id, { ...structuredClone(like), id, capabilities, engine, quantization: "F32", memory: { ...like.memory, weights_bytes: megabytes * 1e6, total_bytes: megabytes * 1e6 } });
}

const installed = { available: true, model: "tesseract", version: "Tesseract 5.3.0", languages: ["eng", "deu", "fra", "chi_sim", "jpn", "spa", "ita"], install: null };
const missing = { available: false, model: null, version: null, languages: [], install: "install Tesseract: apt install tesseract-ocr (Debian, Ubuntu), dnf install tesseract (Fedora), brew install tesseract (macOS)" };

/** A model that chats and sees. */
async function chat({ body, response }) {
  const asked = body.messages.at(-1).content.find((part) => part.type === "text").text;
  response.writeHead(200, { "content-type": "text/event-stream" });
  const chunk = (fields) => response.write(`data: ${JSON.stringify({ object: "chat.completion.chunk", model: body.model, ...fields })}\n\n`);
  const words = `You asked: ${asked} I see a page with five lines of text on white.`.split(/(?<= )/);
  for (const content of words) {
    chunk({ choices: [{ index: 0, delta: { content }, finish_reason: null }] });
    await sleep(30);
  }
  chunk({ choices: [], usage: { prompt_tokens: 300, completion_tokens: words.length } });
  response.end("data: [DONE]\n\n");
}

export const taskRoutes = [
  ["POST", /^\/v1\/chat\/completions$/, chat],
  ["POST", /^\/api\/ner$/, ner],
  ["GET", /^\/api\/ocr$/, () => (process.env.NO_TASKS ? missing : installed)],
  ["POST", /^\/api\/ocr$/, ocr],
  ["POST", /^\/api\/caption$/, caption],
  ["POST", /^\/v1\/audio\/(transcriptions|translations)$/, transcribe],
];
