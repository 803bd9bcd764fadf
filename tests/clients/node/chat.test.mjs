// Chat completions with openai-node, whole and streamed.
import assert from "node:assert/strict";
import { test } from "node:test";

import OpenAI from "openai";

import { PIECES, all, chat, client, text, user } from "./support.mjs";

test("an answer", async () => {
  const completion = await chat();
  assert.equal(completion.choices[0].message.content, PIECES);
  assert.equal(completion.choices[0].finish_reason, "stop");
  assert.equal(completion.usage.total_tokens, completion.usage.prompt_tokens + completion.usage.completion_tokens);
  assert.ok(completion._request_id);
});

test("several answers, seeds, limits", async () => {
  const fields = { model: "echo-random", temperature: 1, seed: 7 };
  const several = await chat({ ...fields, n: 3 });
  assert.equal(new Set(several.choices.map((choice) => choice.message.content)).size, 3);
  const [first, again] = await Promise.all([chat(fields), chat(fields)]);
  assert.equal(first.choices[0].message.content, again.choices[0].message.content);
  const cut = await chat({ max_completion_tokens: 3 });
  assert.equal(cut.choices[0].message.content, "Hello from the");
  assert.equal(cut.choices[0].finish_reason, "length");
});

test("developer role, content parts, and an answer given back", async () => {
  const messages = [
    { role: "developer", content: [{ type: "text", text: "be brief" }] },
    { role: "user", content: [{ type: "text", text: "one " }, { type: "text", text: "two" }] },
  ];
  const first = await chat({ model: "echo", messages });
  assert.equal(first.choices[0].message.content, "one two");
  const second = await chat({ model: "echo", messages: [...messages, first.choices[0].message, ...user("three")] });
  assert.equal(second.choices[0].message.content, "three");
});

test("reasoning, logprobs, timings", async () => {
  const { message } = (await chat({ model: "echo-reasoning" })).choices[0];
  assert.equal(message.content, "The answer is 4.");
  assert.equal(message.reasoning_content.trim(), "The user wants a sum: 2 + 2.");
  const completion = await chat({ logprobs: true, top_logprobs: 2 });
  assert.deepEqual(completion.choices[0].logprobs.content.slice(0, 2).map((entry) => entry.token), ["Hello", " from"]);
  assert.equal(completion.timings.predicted_n, completion.usage.completion_tokens);
});

test("the raw response", async () => {
  const request = chat();
  const response = await request.asResponse();
  assert.equal(response.status, 200);
  assert.match(response.headers.get("content-type"), /^application\/json/);
  const { data, request_id } = await chat().withResponse();
  assert.equal(data.choices[0].message.content, PIECES);
  assert.ok(request_id);
});

test("a stream", async () => {
  const chunks = await all(await chat({ stream: true, stream_options: { include_usage: true } }));
  assert.equal(text(chunks), PIECES);
  assert.equal(chunks[0].choices[0].delta.role, "assistant");
  assert.deepEqual(chunks.at(-1).choices, []);
  assert.ok(chunks.at(-1).usage.total_tokens > 12);
  assert.ok(chunks.slice(0, -1).every((chunk) => !chunk.usage));
});

test("the stream helper", async () => {
  const runner = client.chat.completions.stream({ model: "echo-pieces", messages: user("hi"), temperature: 0 });
  let content = "";
  runner.on("content", (delta) => (content += delta));
  const completion = await runner.finalChatCompletion();
  assert.equal(content, PIECES);
  assert.equal(completion.choices[0].message.content, PIECES);
  assert.equal(completion.choices[0].message.role, "assistant");
  assert.equal(completion.choices[0].finish_reason, "stop");
});

test("the stream helper with several answers", async () => {
  const fields = { model: "echo-random", messages: user("hi"), temperature: 1, seed: 5, n: 3 };
  const completion = await client.chat.completions.stream(fields).finalChatCompletion();
  const whole = await client.chat.completions.create(fields);
  const texts = (answer) => answer.choices.map((choice) => choice.message.content);
  assert.deepEqual(texts(completion), texts(whole));
});

test("a stream may be left", async () => {
  const stream = await chat({ model: "echo-long", stream: true });
  let count = 0;
  for await (const _ of stream) if (++count === 5) break;
  const after = await chat({ model: "echo-long", max_tokens: 3 });
  assert.deepEqual(after.choices[0].message.content.trim().split(" "), ["the", "of", "and"]);
});

test("a request may be aborted", async () => {
  const controller = new AbortController();
  const request = client.chat.completions.create(
    { model: "echo-long", messages: user("hi"), temperature: 0 },
    { signal: controller.signal },
  );
  setTimeout(() => controller.abort(), 200);
  await assert.rejects(request, OpenAI.APIUserAbortError);
  assert.equal((await chat()).choices[0].message.content, PIECES);
});

test("concurrent streams do not mix", async () => {
  const one = async (number) => {
    const content = `number ${number} `.repeat(3);
    return text(await all(await chat({ model: "echo", messages: user(content), stream: true }))) === content;
  };
  const results = await Promise.all([...Array(20).keys()].map(one));
  assert.deepEqual(results, Array(20).fill(true));
});

test("an error in the middle keeps its message", async () => {
  let received = "";
  const broken = async () => {
    for await (const chunk of await chat({ model: "echo-error", stream: true })) {
      received += chunk.choices[0].delta.content ?? "";
    }
  };
  await assert.rejects(broken, (error) => {
    assert.ok(error instanceof OpenAI.APIError && !(error instanceof OpenAI.APIConnectionError), String(error));
    assert.ok(error.error.message, "the message of the event");
    return true;
  });
  assert.equal(received, "Hello from the");
});

test("the built-in model answers, whole and streamed", async () => {
  const fields = { model: "tern-guide", messages: user("What is Tern?"), max_tokens: 200 };
  assert.match((await chat(fields)).choices[0].message.content, /Tern/);
  assert.match(text(await all(await chat({ ...fields, stream: true }))), /Tern/);
});
