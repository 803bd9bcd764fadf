// Anthropic's messages with the Vercel AI SDK, and Ollama's API with its own client.
import assert from "node:assert/strict";
import { test } from "node:test";

import { createAnthropic } from "@ai-sdk/anthropic";
import { APICallError, generateObject, generateText, jsonSchema, stepCountIs, streamObject, streamText, tool } from "ai";
import { Ollama } from "ollama";

import { PIECES, all, url, user } from "./support.mjs";

const claude = createAnthropic({ baseURL: `${url}/v1`, apiKey: "none" });
const ask = (fields = {}) =>
  ({ model: claude("echo-pieces"), prompt: "hi", temperature: 0, maxOutputTokens: 100, maxRetries: 0, ...fields });
const weather = tool({
  description: "The weather of a city.",
  inputSchema: jsonSchema({ type: "object", properties: { city: { type: "string" } }, required: ["city"] }),
  execute: async ({ city }) => `sunny in ${city}`,
});

test("a message", async () => {
  const { text, finishReason, usage } = await generateText(ask({ system: "Be brief." }));
  assert.equal(text, PIECES);
  assert.equal(finishReason, "stop");
  assert.ok(usage.inputTokens > 0 && usage.outputTokens > 10);
  assert.equal((await generateText(ask({ maxOutputTokens: 3 }))).finishReason, "length");
});

test("a stream with thinking", async () => {
  const result = streamText(ask({ model: claude("echo-reasoning") }));
  assert.equal((await all(result.textStream)).join(""), "The answer is 4.");
  assert.equal((await result.reasoningText).trim(), "The user wants a sum: 2 + 2.");
  assert.equal(await result.finishReason, "stop");
});

test("tools", async () => {
  const { toolCalls, finishReason } = await generateText(ask({ model: claude("echo-tools"), tools: { get_weather: weather } }));
  assert.equal(finishReason, "tool-calls");
  assert.deepEqual(toolCalls.map((call) => [call.toolName, call.input]), [["get_weather", { city: "Zurich" }]]);
  const streamed = streamText(ask({ model: claude("echo-tools"), tools: { get_weather: weather } }));
  assert.deepEqual((await streamed.toolCalls).map((call) => call.input), [{ city: "Zurich" }]);
});

test("a round with a result", async () => {
  const fields = { model: claude("echo-tools"), tools: { get_weather: weather }, stopWhen: stepCountIs(2) };
  const { text, steps } = await generateText(ask(fields));
  assert.equal(text, "The weather in Zurich is sunny.");
  assert.deepEqual(steps[0].toolResults.map((result) => result.output), ["sunny in Zurich"]);
});

// An object that even a model that would talk can fill, and fill soon.
const city = {
  type: "object",
  properties: { name: { type: "string", maxLength: 20 }, rivers: { type: "integer", minimum: 0, maximum: 9 } },
  required: ["name", "rivers"],
  additionalProperties: false,
};

test("an object, whole and streamed", async () => {
  const fields = { schema: jsonSchema(city), maxOutputTokens: 400 };
  const { object } = await generateObject(ask(fields));
  assert.deepEqual(Object.keys(object), ["name", "rivers"]);
  const streamed = streamObject(ask(fields));
  assert.deepEqual((await all(streamed.partialObjectStream)).at(-1), object);
  assert.deepEqual(await streamed.object, object);
});

test("the built-in model", async () => {
  const { text } = await generateText(ask({ model: claude("tern-guide"), prompt: "What is Tern?", maxOutputTokens: 200 }));
  assert.match(text, /Tern/);
});

test("errors", async () => {
  const refused = (request, status, words) =>
    assert.rejects(request, (error) => {
      assert.ok(APICallError.isInstance(error), error);
      assert.equal(error.statusCode, status);
      assert.match(error.message, words);
      return true;
    });
  await refused(generateText(ask({ model: claude("nobody") })), 404, /nobody/);
  await refused(generateText(ask({ model: claude("echo-tiny"), prompt: " the".repeat(100) })), 400, /prompt is too long/);
});

const llama = new Ollama({ host: url });
const options = { temperature: 0 };

test("ollama: a dialogue, whole and streamed", async () => {
  const fields = { model: "echo-pieces", messages: user("hi"), options };
  const answer = await llama.chat(fields);
  assert.equal(answer.message.content, PIECES);
  assert.ok(answer.done && answer.eval_count > 10);
  const parts = await all(await llama.chat({ ...fields, stream: true }));
  assert.equal(parts.map((part) => part.message.content).join(""), PIECES);
  assert.equal(parts.at(-1).done_reason, "stop");
});

test("ollama: tools", async () => {
  const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
  const tools = [{ type: "function", function: { name: "get_weather", description: "The weather of a city.", parameters } }];
  const { message } = await llama.chat({ model: "echo-tools", messages: user("Weather?"), tools, options });
  assert.deepEqual(message.tool_calls[0].function.arguments, { city: "Zurich" });
  const parts = await all(await llama.chat({ model: "echo-tools", messages: user("Weather?"), tools, options, stream: true }));
  const calls = parts.flatMap((part) => part.message.tool_calls ?? []);
  assert.deepEqual(calls.map((call) => call.function.arguments), [{ city: "Zurich" }]);
  const result = { role: "tool", tool_name: "get_weather", content: "sunny" };
  const answer = await llama.chat({ model: "echo-tools", messages: [...user("Weather?"), message, result], tools, options });
  assert.equal(answer.message.content, "The weather in Zurich is sunny.");
});

test("ollama: thinking", async () => {
  const { message } = await llama.chat({ model: "echo-reasoning", messages: user("2 + 2?"), think: true, options });
  assert.deepEqual([message.content, message.thinking.trim()], ["The answer is 4.", "The user wants a sum: 2 + 2."]);
});

test("ollama: an object, whole and streamed", async () => {
  const fields = { model: "echo-pieces", messages: user("hi"), format: city, options: { ...options, num_predict: 400 } };
  const { message } = await llama.chat(fields);
  assert.deepEqual(Object.keys(JSON.parse(message.content)), ["name", "rivers"]);
  const parts = await all(await llama.chat({ ...fields, stream: true }));
  assert.equal(parts.map((part) => part.message.content).join(""), message.content);
  const told = await llama.generate({ model: "echo", prompt: '{"a": 1}', format: "json", options });
  assert.deepEqual(JSON.parse(told.response), { a: 1 });
});

test("ollama: the built-in model", async () => {
  const fields = { model: "tern-guide", messages: user("What is Tern?"), options: { ...options, num_predict: 200 } };
  assert.match((await llama.chat(fields)).message.content, /Tern/);
});

test("ollama: texts, vectors, models, the version", async () => {
  assert.equal((await llama.generate({ model: "echo-pieces", prompt: "hi", options })).response, PIECES);
  const { embeddings } = await llama.embed({ model: "echo-embed", input: ["the word", "hot"] });
  assert.deepEqual(embeddings.map((vector) => vector.length), [64, 64]);
  const { models } = await llama.list();
  assert.ok(models.some((model) => model.name === "tern-guide:latest"));
  assert.ok((await llama.show({ model: "tern-guide" })).capabilities.includes("completion"));
  assert.ok((await llama.ps()).models.some((model) => model.name === "echo-embed:latest"));
  assert.match((await llama.version()).version, /^\d+\.\d+\.\d+$/);
});

test("ollama: errors", async () => {
  await assert.rejects(llama.generate({ model: "nobody", prompt: "hi" }), (error) => error.status_code === 404);
  const stream = await llama.generate({ model: "echo-error", prompt: "hi", stream: true, options });
  await assert.rejects(all(stream), /./);
});
