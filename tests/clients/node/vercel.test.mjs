// The Vercel AI SDK with both of its providers of OpenAI's API; the one for Anthropic's is in dialects.test.mjs.
import assert from "node:assert/strict";
import { test } from "node:test";

import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import {
  APICallError, embedMany, generateObject, generateText, jsonSchema, stepCountIs, streamObject, streamText, tool,
} from "ai";

import { PIECES, all, url } from "./support.mjs";

const openai = createOpenAI({ baseURL: `${url}/v1`, apiKey: "none" });
const settings = { name: "tern", baseURL: `${url}/v1`, apiKey: "none", includeUsage: true };
const compatible = createOpenAICompatible({ ...settings, supportsStructuredOutputs: true });
const plain = createOpenAICompatible(settings);
const providers = {
  "openai, chat": (model) => openai.chat(model),
  "openai, responses": (model) => openai.responses(model),
  "openai-compatible": (model) => compatible(model),
};

const city = jsonSchema({
  type: "object",
  properties: { name: { type: "string", maxLength: 20 }, rivers: { type: "integer", minimum: 0, maximum: 9 } },
  required: ["name", "rivers"],
  additionalProperties: false,
});
// What echo says is what it was told.
const told = { name: "Zurich", rivers: 2 };
const weather = tool({
  description: "The weather of a city.",
  inputSchema: jsonSchema({
    type: "object", properties: { city: { type: "string" } }, required: ["city"], additionalProperties: false,
  }),
  execute: async ({ city }) => `sunny in ${city}`,
});

for (const [name, model] of Object.entries(providers)) {
  const ask = (id, fields = {}) =>
    ({ model: model(id), prompt: "hi", temperature: 0, maxOutputTokens: 400, maxRetries: 0, ...fields });

  test(`${name}: a text`, async () => {
    const { text, finishReason, usage } = await generateText(ask("echo-pieces", { system: "Be brief." }));
    assert.equal(text, PIECES);
    assert.equal(finishReason, "stop");
    assert.equal(usage.totalTokens, usage.inputTokens + usage.outputTokens);
    assert.equal((await generateText(ask("echo-pieces", { maxOutputTokens: 3 }))).finishReason, "length");
  });

  test(`${name}: a stream`, async () => {
    const result = streamText(ask("echo-pieces"));
    assert.equal((await all(result.textStream)).join(""), PIECES);
    assert.equal(await result.finishReason, "stop");
    assert.ok((await result.usage).outputTokens > 10);
  });

  test(`${name}: calls, whole and streamed`, async () => {
    for (const [id, count] of [["echo-tools", 1], ["echo-tools-two", 2]]) {
      const fields = { tools: { get_weather: weather } };
      const { toolCalls, finishReason } = await generateText(ask(id, fields));
      const streamed = streamText(ask(id, fields));
      const inputs = (calls) => calls.map((call) => [call.toolName, call.input]);
      assert.deepEqual(inputs(await streamed.toolCalls), inputs(toolCalls));
      assert.equal(toolCalls.length, count);
      assert.equal(new Set(toolCalls.map((call) => call.toolCallId)).size, count);
      assert.deepEqual([finishReason, await streamed.finishReason], ["tool-calls", "tool-calls"]);
    }
  });

  test(`${name}: a round with a result`, async () => {
    const fields = { tools: { get_weather: weather }, stopWhen: stepCountIs(2) };
    const { text, steps } = await generateText(ask("echo-tools", fields));
    assert.equal(text, "The weather in Zurich is sunny.");
    assert.deepEqual(steps[0].toolResults.map((result) => result.output), ["sunny in Zurich"]);
  });

  test(`${name}: a call is demanded and forbidden`, async () => {
    const tools = { get_weather: weather };
    const { toolCalls } = await generateText(ask("echo-pieces", { tools, toolChoice: "required" }));
    assert.equal(toolCalls[0].toolName, "get_weather");
    assert.deepEqual((await generateText(ask("echo-tools", { tools, toolChoice: "none" }))).toolCalls, []);
  });

  test(`${name}: an object, whole and streamed`, async () => {
    const fields = { schema: city, prompt: JSON.stringify(told) };
    assert.deepEqual((await generateObject(ask("echo", fields))).object, told);
    const streamed = streamObject(ask("echo", fields));
    assert.deepEqual((await all(streamed.partialObjectStream)).at(-1), told);
    assert.deepEqual(await streamed.object, told);
    // A model that would say something else has to fill the form.
    const { object } = await generateObject(ask("echo-pieces", { schema: city }));
    assert.deepEqual(Object.keys(object), ["name", "rivers"]);
  });

  test(`${name}: errors`, async () => {
    const refused = (request, status, words) =>
      assert.rejects(request, (error) => {
        assert.ok(APICallError.isInstance(error), String(error));
        assert.equal(error.statusCode, status);
        assert.match(error.message, words);
        return true;
      });
    await refused(generateText(ask("nobody")), 404, /nobody/);
    await refused(generateText(ask("echo", { topP: 2 })), 400, /top_p is 2/);
    await refused(generateText(ask("echo-tiny", { prompt: " the".repeat(100) })), 400, /maximum context length is 64 tokens/);
    await refused(generateText(ask("echo-error")), 500, /echo-error/);
    let seen;
    const broken = streamText(ask("echo-error", { onError: ({ error }) => (seen = error) }));
    assert.equal((await all(broken.textStream)).join(""), "Hello from the");
    assert.match(JSON.stringify(seen?.message ?? seen), /echo-error/);
  });

  test(`${name}: the built-in model`, async () => {
    const { text } = await generateText(ask("tern-guide", { prompt: "What is Tern?" }));
    assert.match(text, /Tern/);
  });
}

test("openai-compatible: reasoning", async () => {
  const fields = { model: compatible("echo-reasoning"), prompt: "2 + 2?", temperature: 0, maxRetries: 0 };
  const { text, reasoningText } = await generateText(fields);
  assert.deepEqual([text, reasoningText.trim()], ["The answer is 4.", "The user wants a sum: 2 + 2."]);
  const streamed = streamText(fields);
  assert.equal((await streamed.reasoningText).trim(), "The user wants a sum: 2 + 2.");
});

test("openai-compatible: an object without its schema is any object", async () => {
  // So does the provider ask where it was not told that the server knows schemas.
  const { object } = await generateObject({
    model: plain("echo"), schema: city, prompt: JSON.stringify(told), temperature: 0, maxRetries: 0,
  });
  assert.deepEqual(object, told);
});

test("openai-compatible: vectors", async () => {
  const { embeddings } = await embedMany({ model: compatible.embeddingModel("echo-embed"), values: ["the word", "hot"] });
  assert.deepEqual(embeddings.map((vector) => vector.length), [64, 64]);
});
