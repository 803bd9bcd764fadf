// A stand-in for the server while the page is being worked on: everything in memory, models that recite, figures made
// up. `node dev/mock.mjs [port]` serves dist/ and the API. Never part of a release.

import { createReadStream, existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { compareRoutes } from "./mock-compare.mjs";
import { modelRoutes, models } from "./mock-models.mjs";
import { taskRoutes } from "./mock-tasks.mjs";
import { answerFor, pieces, seedConversations } from "./mock-texts.mjs";
import { Stream, id, json, now, refuse, sleep } from "./mock-tools.mjs";

const port = Number(process.argv[2] ?? process.env.PORT ?? 18480);
const dist = fileURLToPath(new URL("../dist", import.meta.url));

/** id -> {conversation, tree} */
export const conversations = new Map();
/** message id -> Stream */
const streams = new Map();
let saving = true;

function find(conversationId) {
  return conversations.get(conversationId) ?? refuse(404, "not_found", `there is no conversation ${conversationId}`);
}

function findMessage(entry, messageId) {
  return entry.tree.find((m) => m.id === messageId) ?? refuse(404, "not_found", `there is no message ${messageId}`);
}

function newConversation(fields = {}) {
  const conversation = {
    id: id("conv"), title: "", title_is_given: false, tags: [], pinned: false, archived: false, system_prompt: null,
    model: null, parameters: {}, created_ms: now(), updated_ms: now(), current: null, messages: 0, ...fields,
  };
  const entry = { conversation, tree: [] };
  conversations.set(conversation.id, entry);
  return entry;
}

function touch(entry) {
  entry.conversation.updated_ms = now();
  entry.conversation.messages = entry.tree.length;
}

function title(text) {
  const line = text.trim().split("\n")[0].replace(/[#*`>]/g, "").trim();
  return line.length > 48 ? `${line.slice(0, line.lastIndexOf(" ", 48))}…` : line || "New chat";
}

function pathTo(entry, messageId) {
  const path = [];
  for (let m = entry.tree.find((x) => x.id === messageId); m; m = entry.tree.find((x) => x.id === m.parent)) path.unshift(m);
  return path;
}

/** Recites an answer into `message`, at the pace of its model, and reports it. */
async function generate(entry, message, stream, asked, already = "") {
  const model = models.get(message.answer.model);
  const began = performance.now();
  const ms = () => Math.round(performance.now() - began);
  if (model.status.value !== "loaded") {
    for (let share = 0; share <= 1; share += 0.2) {
      stream.send({ type: "state", state: "loading", share });
      model.status = { value: "loading", progress: share };
      await sleep(model.mock.load / 5);
    }
    model.status = { value: "loaded", progress: 1 };
  }
  const load = ms();
  stream.send({ type: "state", state: "prefill", share: 0.4 });
  await sleep(model.mock.prefill);
  const { reasoning, text } = answerFor(asked, model);
  const first = ms();
  let n = 0, thought = 0;
  const finish = (status, error = null, reason = null) => {
    const promptTokens = 24 + pathTo(entry, message.parent).reduce((sum, m) => sum + Math.ceil(m.content.length / 4), 0);
    message.status = status;
    Object.assign(message.answer, {
      finish_reason: reason, error,
      usage: { prompt_tokens: promptTokens, cached_tokens: Math.floor(promptTokens * 0.7), completion_tokens: n, reasoning_tokens: thought },
      timings: { load_ms: load, queue_ms: 0, prefill_ms: first - load, decode_ms: ms() - first, first_token_ms: first,
        total_ms: ms(), reasoning_ms: thought ? (ms() - first) / 3 : 0 },
    });
    if (!entry.conversation.title) entry.conversation.title = title(pathTo(entry, message.id)[0].content);
    touch(entry);
    stream.send({ type: "end", message, conversation: entry.conversation });
    stream.end();
  };
  if (reasoning && !already) {
    stream.send({ type: "state", state: "thinking", share: null });
    message.reasoning = "";
    for (const piece of pieces(reasoning)) {
      if (stream.stopped) return finish("stopped");
      message.reasoning += piece;
      stream.send({ type: "reasoning", text: piece });
      n++, thought++;
      await sleep(model.mock.step);
    }
  }
  stream.send({ type: "state", state: "writing", share: null });
  const limit = Number(message.answer.parameters.max_tokens ?? 1e9);
  const rest = already && text.startsWith(already) ? text.slice(already.length) : already ? ` … ${text}` : text;
  for (const piece of pieces(rest)) {
    if (stream.stopped) return finish("stopped");
    if (model.mock.fail && n >= 3) return finish("failed", "the engine failed after three tokens");
    if (n >= limit) return finish("complete", null, "length");
    message.content += piece;
    stream.send({ type: "text", text: piece });
    n++;
    await sleep(model.mock.step);
  }
  finish("complete", null, "stop");
}

function startAnswer(request, response, entry, user, fields, isNew) {
  const files = (fields.attachments ?? []).map((file) => Buffer.from(file.data, "base64").toString());
  const modelId = fields.model ?? entry.conversation.model ?? "tern-guide";
  if (!models.has(modelId)) refuse(404, "model_not_found", `there is no model ${modelId}`);
  if (fields.model) entry.conversation.model = fields.model;
  const answer = {
    id: id("msg"), conversation: entry.conversation.id, parent: user.id, role: "assistant", content: "", reasoning: null,
    attachments: [], created_ms: now(), status: "generating",
    answer: { model: modelId, engine: models.get(modelId).engine, finish_reason: null, usage: null, timings: null, error: null,
      parameters: fields.parameters ?? entry.conversation.parameters },
  };
  entry.tree.push(answer);
  entry.conversation.current = answer.id;
  touch(entry);
  const stream = new Stream();
  streams.set(answer.id, stream);
  stream.send(structuredClone({ type: "messages", conversation: entry.conversation, messages: isNew ? [user, answer] : [answer] }));
  stream.join(request, response, 0);
  void generate(entry, answer, stream, [...files, user.content].join("\n"));
}

function checkParameters(parameters) {
  const t = parameters?.temperature;
  if (t != null && (t < 0 || t > 2)) refuse(400, "invalid_value", `temperature is ${t}, must be 0 to 2`, "parameters.temperature");
}

function exported(entry, format) {
  if (format === "json") return JSON.stringify({ format: "tern-conversations", version: 1, conversations: [{ ...entry.conversation, tree: entry.tree }] }, null, 1);
  const lines = pathTo(entry, entry.conversation.current).map((m) => `## ${m.role}\n\n${m.content}\n`);
  return `# ${entry.conversation.title}\n\n${lines.join("\n")}`;
}

function download(response, name, type, text) {
  response.writeHead(200, { "content-type": type, "content-disposition": `attachment; filename="${name}"` }).end(text);
}

/** file id -> what was sent */
const contents = new Map();
const attachmentsAllowed = /\.(png|txt|md|csv|json|rs|py|ts|js|log|toml|ya?ml)$/i;

const routes = [
  ["GET", /^\/api\/store$/, () => ({ path: "/home/you/.local/share/tern/tern.redb", bytes: 212992, saved: saving, reason: saving ? null : "the disk is full", since_ms: null })],
  ["POST", /^\/mock\/saving$/, ({ body }) => { saving = body.saved; return {}; }],
  ["GET", /^\/api\/conversations$/, ({ query }) => {
    const archived = query.get("archived") === "true";
    let list = [...conversations.values()].map((e) => e.conversation).filter((c) => c.archived === archived);
    if (query.get("tag")) list = list.filter((c) => c.tags.includes(query.get("tag")));
    if (query.get("pinned")) list = list.filter((c) => c.pinned === (query.get("pinned") === "true"));
    list.sort((a, b) => b.updated_ms - a.updated_ms);
    const from = query.get("after") ? list.findIndex((c) => c.id === query.get("after")) + 1 : 0;
    const limit = Number(query.get("limit") ?? 50);
    return { object: "list", data: list.slice(from, from + limit), has_more: from + limit < list.length, total: list.length };
  }],
  ["GET", /^\/api\/conversations\/tags$/, () => {
    const counts = new Map();
    for (const { conversation } of conversations.values()) for (const tag of conversation.tags) counts.set(tag, (counts.get(tag) ?? 0) + 1);
    return { data: [...counts].map(([tag, count]) => ({ tag, count })) };
  }],
  ["GET", /^\/api\/conversations\/search$/, ({ query }) => {
    const words = (query.get("q") ?? "").toLowerCase();
    const data = [];
    for (const { conversation, tree } of conversations.values()) {
      for (const [message, text] of [[null, conversation.title], ...tree.map((m) => [m.id, m.content])]) {
        const at = words ? text.toLowerCase().indexOf(words) : -1;
        if (at < 0) continue;
        const from = Math.max(0, at - 40);
        data.push({ conversation, message, snippet: text.slice(from, at + 80).replace(/\n/g, " "), highlights: [[at - from, at - from + words.length]] });
        break;
      }
    }
    return { data: data.slice(0, 20) };
  }],
  ["GET", /^\/api\/conversations\/export$/, ({ response, query }) => {
    const format = query.get("format") ?? "json";
    if (format === "json") download(response, "conversations.json", "application/json", JSON.stringify({ format: "tern-conversations", version: 1, conversations: [...conversations.values()].map((e) => ({ ...e.conversation, tree: e.tree })) }));
    else download(response, "conversations.md", "text/markdown", [...conversations.values()].map((e) => exported(e, format)).join("\n\n"));
  }],
  ["POST", /^\/api\/conversations\/import$/, ({ body }) => {
    if (!body || !Array.isArray(body.conversations)) refuse(400, "unknown_format", "this is none of: an export of Tern, a ChatGPT conversations.json, an Open WebUI export");
    const imported = [], skipped = [];
    body.conversations.forEach((c, index) => {
      if (!Array.isArray(c.tree)) return skipped.push({ index, reason: "has no messages" });
      const { tree, ...fields } = c;
      const entry = newConversation({ ...fields, id: id("conv"), updated_ms: now() });
      const ids = new Map(tree.map((m) => [m.id, id("msg")]));
      entry.tree = tree.map((m) => ({ reasoning: null, attachments: [], answer: null, status: "complete", ...m, id: ids.get(m.id), parent: ids.get(m.parent) ?? null, conversation: entry.conversation.id }));
      entry.conversation.current = ids.get(fields.current) ?? entry.tree.at(-1)?.id ?? null;
      entry.conversation.messages = tree.length;
      imported.push(entry.conversation.id);
    });
    return { imported, skipped };
  }],
  ["POST", /^\/api\/conversations\/delete$/, ({ body }) => ({ deleted: body.ids.filter((x) => conversations.delete(x)).length })],
  ["POST", /^\/api\/conversations$/, ({ body }) => {
    checkParameters(body.parameters);
    return newConversation({ ...body, title_is_given: Boolean(body.title) }).conversation;
  }],
  ["GET", /^\/api\/conversations\/([^/]+)$/, ({ match }) => { const e = find(match[1]); return { ...e.conversation, tree: e.tree }; }],
  ["PATCH", /^\/api\/conversations\/([^/]+)$/, ({ match, body }) => {
    const entry = find(match[1]);
    checkParameters(body.parameters);
    Object.assign(entry.conversation, body, "title" in body ? { title_is_given: true } : {});
    if (!("pinned" in body || "current" in body)) touch(entry);
    return entry.conversation;
  }],
  ["DELETE", /^\/api\/conversations\/([^/]+)$/, ({ match }) => { find(match[1]); conversations.delete(match[1]); return { deleted: 1 }; }],
  ["POST", /^\/api\/conversations\/([^/]+)\/branch$/, ({ match, body }) => {
    const from = find(match[1]);
    const entry = newConversation({ ...from.conversation, id: id("conv"), title: `${from.conversation.title} (branch)`, updated_ms: now() });
    let parent = null;
    entry.tree = pathTo(from, body.message).map((m) => { const copy = { ...m, id: id("msg"), parent, conversation: entry.conversation.id }; parent = copy.id; return copy; });
    entry.conversation.current = parent;
    touch(entry);
    return entry.conversation;
  }],
  ["GET", /^\/api\/conversations\/([^/]+)\/export$/, ({ match, response, query }) => {
    const format = query.get("format") ?? "json";
    download(response, `conversation.${{ json: "json", markdown: "md", text: "txt" }[format]}`, "application/octet-stream", exported(find(match[1]), format));
  }],
  ["POST", /^\/api\/conversations\/([^/]+)\/messages$/, ({ match, body, request, response }) => {
    const entry = find(match[1]);
    checkParameters(body.parameters);
    const attachments = (body.attachments ?? []).map((a) => {
      if (!attachmentsAllowed.test(a.name)) refuse(400, "unsupported_attachment", `${a.name} is not a text file`, "attachments[0]");
      const file = { id: id("file"), name: a.name, media_type: a.media_type, bytes: Math.floor(a.data.length * 0.75) };
      contents.set(file.id, [a.media_type, Buffer.from(a.data, "base64")]);
      return file;
    });
    const user = {
      id: id("msg"), conversation: entry.conversation.id, parent: body.parent === undefined ? entry.conversation.current : body.parent,
      role: "user", content: body.content, reasoning: null, attachments, created_ms: now(), status: "complete", answer: null,
    };
    entry.tree.push(user);
    startAnswer(request, response, entry, user, body, true);
  }],
  ["GET", /^\/api\/conversations\/([^/]+)\/attachments\/([^/]+)$/, ({ match, response }) => {
    const [type, bytes] = contents.get(match[2]) ?? refuse(404, "not_found", "there is no such file");
    response.writeHead(200, { "content-type": type, "x-content-type-options": "nosniff" }).end(bytes);
  }],
  ["POST", /^\/api\/conversations\/([^/]+)\/messages\/([^/]+)\/answer$/, ({ match, body, request, response }) => {
    const entry = find(match[1]);
    startAnswer(request, response, entry, findMessage(entry, match[2]), body ?? {}, false);
  }],
  ["POST", /^\/api\/conversations\/([^/]+)\/messages\/([^/]+)\/continue$/, ({ match, request, response }) => {
    const entry = find(match[1]);
    const message = findMessage(entry, match[2]);
    message.status = "generating";
    const stream = new Stream();
    streams.set(message.id, stream);
    stream.send(structuredClone({ type: "messages", conversation: entry.conversation, messages: [message] }));
    stream.join(request, response, 0);
    void generate(entry, message, stream, findMessage(entry, message.parent).content, message.content);
  }],
  ["GET", /^\/api\/conversations\/([^/]+)\/messages\/([^/]+)\/events$/, ({ match, query, request, response }) => {
    findMessage(find(match[1]), match[2]);
    const stream = streams.get(match[2]) ?? refuse(404, "not_found", "this answer ended long ago");
    stream.join(request, response, Number(query.get("after") ?? 0));
  }],
  ["POST", /^\/api\/conversations\/([^/]+)\/messages\/([^/]+)\/stop$/, async ({ match }) => {
    const message = findMessage(find(match[1]), match[2]);
    const stream = streams.get(match[2]);
    if (stream) { stream.stopped = true; await stream.ended; }
    return message;
  }],
  ["PATCH", /^\/api\/conversations\/([^/]+)\/messages\/([^/]+)$/, ({ match, body }) => Object.assign(findMessage(find(match[1]), match[2]), body)],
  ["DELETE", /^\/api\/conversations\/([^/]+)\/messages\/([^/]+)$/, ({ match }) => {
    const entry = find(match[1]);
    const message = findMessage(entry, match[2]);
    const gone = new Set([message.id]);
    for (const m of entry.tree) if (gone.has(m.parent)) gone.add(m.id);
    if (gone.has(entry.conversation.current)) entry.conversation.current = message.parent;
    entry.tree = entry.tree.filter((m) => !gone.has(m.id));
    touch(entry);
    return entry.conversation;
  }],
  ...modelRoutes,
  ...compareRoutes,
  ...taskRoutes,
];

const types = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".woff2": "font/woff2" };
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

function serveFile(path, response) {
  let file = normalize(join(dist, path));
  if (!file.startsWith(dist) || !existsSync(file) || path === "/") file = join(dist, "index.html");
  response.writeHead(200, { "content-type": types[extname(file)] ?? "application/octet-stream", "content-security-policy": policy, "x-content-type-options": "nosniff" });
  createReadStream(file).pipe(response);
}

const server = createServer(async (request, response) => {
  const url = new URL(request.url, "http://localhost");
  try {
    for (const [method, pattern, handle] of routes) {
      const match = request.method === method && pattern.exec(url.pathname);
      if (!match) continue;
      const chunks = [];
      for await (const chunk of request) chunks.push(chunk);
      const raw = Buffer.concat(chunks);
      let body;
      if (/^multipart\//.test(request.headers["content-type"] ?? "")) body = null;
      else try { body = chunks.length ? JSON.parse(raw.toString()) : {}; } catch { refuse(400, "invalid_json", "the body is not JSON"); }
      const result = await handle({ match: match.map((part) => part && decodeURIComponent(part)), body, raw, query: url.searchParams, request, response });
      if (!response.headersSent) json(response, 200, result ?? {});
      return;
    }
    if (/^\/(api|v1|health|mock)/.test(url.pathname)) refuse(404, "not_found", `there is no ${url.pathname}`);
    serveFile(url.pathname, response);
  } catch (error) {
    if (!error.status) console.error(error);
    json(response, error.status ?? 500, { error: { message: error.message, type: "invalid_request_error", param: error.param ?? null, code: error.code ?? null } });
  }
});

if (!process.env.EMPTY) seedConversations(newConversation);
server.listen(port, "127.0.0.1", () => console.log(`address  http://127.0.0.1:${server.address().port}`));
