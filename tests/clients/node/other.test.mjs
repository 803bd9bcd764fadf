// Completions, embeddings, models and errors with openai-node.
import assert from "node:assert/strict";
import { test } from "node:test";

import OpenAI from "openai";

import { PIECES, all, chat, client, url, user } from "./support.mjs";

test("a text completion", async () => {
  const fields = { model: "echo-pieces", prompt: "hi", temperature: 0, max_tokens: 50 };
  const completion = await client.completions.create(fields);
  assert.equal(completion.choices[0].text, PIECES);
  const chunks = await all(await client.completions.create({ ...fields, stream: true }));
  assert.equal(chunks.map((chunk) => chunk.choices[0]?.text ?? "").join(""), PIECES);
});

test("several prompts, token ids, echo, logprobs", async () => {
  const fields = { model: "echo", temperature: 0 };
  const texts = async (prompt, more = {}) =>
    (await client.completions.create({ ...fields, prompt, ...more })).choices.map((choice) => choice.text);
  assert.deepEqual(await texts(["one", "two"]), ["one", "two"]);
  const { tokens } = await client.post("/tokenize", { body: { model: "echo", content: "two words" } });
  assert.deepEqual(await texts(tokens), ["two words"]);
  assert.deepEqual(await texts([tokens, tokens]), ["two words", "two words"]);
  assert.deepEqual(await texts("say", { echo: true }), ["saysay"]);
  const { logprobs } = (await client.completions.create({ ...fields, prompt: "say", logprobs: 1 })).choices[0];
  assert.equal(logprobs.tokens.length, logprobs.text_offset.length);
});

test("embeddings by default are numbers, not an empty vector", async () => {
  const { data, usage } = await client.embeddings.create({ model: "echo-embed", input: "the word" });
  assert.equal(data[0].embedding.length, 64);
  assert.ok(Math.abs(Math.hypot(...data[0].embedding) - 1) < 1e-5);
  assert.equal(usage.prompt_tokens, usage.total_tokens);
});

test("embeddings in each format are the same", async () => {
  const embed = async (fields) =>
    (await client.embeddings.create({ model: "echo-embed", input: ["the word", "hot"], ...fields })).data;
  const [standard, float, base64] = await Promise.all([
    embed({}), embed({ encoding_format: "float" }), embed({ encoding_format: "base64" }),
  ]);
  const bytes = Buffer.from(base64[1].embedding, "base64");
  standard[1].embedding.forEach((value, at) => {
    assert.ok(Math.abs(value - float[1].embedding[at]) < 1e-6);
    assert.ok(Math.abs(value - bytes.readFloatLE(4 * at)) < 1e-6);
  });
  assert.equal((await embed({ dimensions: 16 }))[0].embedding.length, 16);
});

test("models", async () => {
  const ids = (await all(await client.models.list())).map((model) => model.id);
  for (const id of ["tern-guide", "echo", "echo-embed"]) assert.ok(ids.includes(id), id);
  assert.equal((await client.models.retrieve("echo-tiny")).context_length, 64);
  await assert.rejects(client.models.retrieve("nobody/nothing"), OpenAI.NotFoundError);
});

const refused = (request, type, check) =>
  assert.rejects(request, (error) => {
    assert.ok(error instanceof type, `${error.constructor.name}: ${error.message}`);
    check(error);
    return true;
  });

test("an unknown model", () =>
  refused(chat({ model: "nobody" }), OpenAI.NotFoundError, (error) => {
    assert.equal(error.code, "model_not_found");
    assert.match(error.message, /nobody.*tern-guide/);
    assert.ok(error.requestID);
  }));

test("wrong values", async () => {
  await refused(chat({ temperature: -1 }), OpenAI.BadRequestError, (error) => assert.equal(error.param, "temperature"));
  await refused(chat({ messages: "hi" }), OpenAI.BadRequestError, (error) => assert.equal(error.param, "messages"));
  await refused(chat({ stream: true, n: 0 }), OpenAI.BadRequestError, (error) => assert.equal(error.param, "n"));
  const tools = [{ type: "function", function: { name: "a name" } }];
  await refused(chat({ tools }), OpenAI.BadRequestError, (error) =>
    assert.equal(error.param, "tools[0].function.name"),
  );
});

test("a prompt that is too long", () =>
  refused(chat({ model: "echo-tiny", messages: user(" the".repeat(100)) }), OpenAI.BadRequestError, (error) => {
    assert.equal(error.code, "context_length_exceeded");
    assert.match(error.message, /maximum context length is 64 tokens/);
  }));

test("an engine that fails, not retried", async () => {
  let asked = 0;
  const counting = (...parameters) => (asked++, fetch(...parameters));
  const retrying = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", fetch: counting });
  const request = retrying.chat.completions.create({ model: "echo-error", messages: user("hi"), temperature: 0 });
  await refused(request, OpenAI.InternalServerError, (error) => assert.ok(error.error.message));
  assert.equal(asked, 1);
});

test("a timeout is the client's", async () => {
  const request = client.chat.completions.create({ model: "echo-long", messages: user("hi") }, { timeout: 300 });
  await assert.rejects(request, OpenAI.APIConnectionTimeoutError);
  assert.equal((await chat()).choices[0].message.content, PIECES);
});
