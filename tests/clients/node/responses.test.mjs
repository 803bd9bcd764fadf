// Responses with openai-node, whole and streamed.
import assert from "node:assert/strict";
import { test } from "node:test";

import OpenAI from "openai";

import { PIECES, all, client } from "./support.mjs";

const ask = (fields = {}) =>
  client.responses.create({ model: "echo-pieces", input: "hi", temperature: 0, store: false, ...fields });

test("a response", async () => {
  const response = await ask();
  assert.equal(response.output_text, PIECES);
  assert.equal(response.status, "completed");
  assert.equal(response.usage.total_tokens, response.usage.input_tokens + response.usage.output_tokens);
  assert.ok(response._request_id);
});

test("items go back as they came", async () => {
  const input = [{ role: "user", content: "hello" }];
  const first = await ask({ model: "echo", input });
  const second = await ask({ model: "echo", input: [...input, ...first.output, { role: "user", content: "again" }] });
  assert.equal(second.output_text, "again");
});

test("a stream of events", async () => {
  const events = await all(await ask({ stream: true }));
  const deltas = events.filter((event) => event.type === "response.output_text.delta");
  assert.equal(deltas.map((event) => event.delta).join(""), PIECES);
  assert.deepEqual(events.map((event) => event.sequence_number), [...events.keys()]);
  assert.equal(events.at(-1).type, "response.completed");
});

test("the stream helper of responses", async () => {
  for (const [model, expected] of [["echo-pieces", PIECES], ["echo-reasoning", "The answer is 4."]]) {
    for (const reasoning of [undefined, { summary: "auto" }]) {
      const runner = client.responses.stream({ model, input: "hi", temperature: 0, store: false, reasoning });
      let text = "";
      runner.on("response.output_text.delta", (event) => (text += event.delta));
      const response = await runner.finalResponse();
      assert.equal(text, expected);
      assert.equal(response.output_text, expected);
    }
  }
});

test("what is cut off, and what fails", async () => {
  const cut = await ask({ max_output_tokens: 3 });
  assert.deepEqual([cut.status, cut.incomplete_details.reason], ["incomplete", "max_output_tokens"]);
  const events = await all(await ask({ model: "echo-error", stream: true }));
  assert.equal(events.at(-1).type, "response.failed");
  assert.ok(events.at(-1).response.error.message);
  await assert.rejects(ask({ model: "nobody", stream: true }), OpenAI.NotFoundError);
});

test("a thread is kept, gone on with, and deleted", async () => {
  const first = await ask({ model: "echo", input: "one", store: true });
  const second = await ask({ input: "two", model: "echo", store: true, previous_response_id: first.id });
  assert.equal((await client.responses.retrieve(second.id)).output_text, "two");
  const items = await all(await client.responses.inputItems.list(second.id));
  assert.deepEqual(items.map((item) => item.content[0].text), ["two"]);
  await client.responses.delete(second.id);
  await client.responses.delete(first.id);
  await assert.rejects(client.responses.retrieve(first.id), OpenAI.NotFoundError);
});

test("the background, joined and cancelled", async () => {
  const begun = await ask({ model: "echo-slow", background: true, store: true });
  const events = await all(await client.responses.retrieve(begun.id, { stream: true }));
  assert.equal(events.at(-1).type, "response.completed");
  assert.equal(events.at(-1).response.output[0].content[0].text.trim().split(" ").length, 50);
  const running = await ask({ model: "echo-long", background: true, store: true });
  assert.equal((await client.responses.cancel(running.id)).status, "cancelled");
});
