// Calls of tools: the client's helpers put them together.
import assert from "node:assert/strict";
import { test } from "node:test";

import { chat, client, user } from "./support.mjs";

const tools = [
  {
    type: "function",
    function: {
      name: "get_weather",
      parameters: {
        type: "object",
        properties: { city: { type: "string" } },
        required: ["city"],
        additionalProperties: false,
      },
    },
  },
];

test("a call", async () => {
  const { choices } = await chat({ model: "echo-tools", tools });
  assert.equal(choices[0].finish_reason, "tool_calls");
  const [call] = choices[0].message.tool_calls;
  assert.equal(call.function.name, "get_weather");
  assert.deepEqual(JSON.parse(call.function.arguments), { city: "Zurich" });
});

for (const model of ["echo-tools-two", "echo-tools-llama", "echo-tools-mistral", "echo-tools-deepseek"]) {
  test(`calls of ${model}, put together from a stream`, async () => {
    const body = { model, messages: user("Weather?"), temperature: 0, tools };
    const streamed = (await client.chat.completions.stream(body).finalChatCompletion()).choices[0].message;
    const whole = (await chat(body)).choices[0].message;
    const read = (message) => message.tool_calls.map((call) => JSON.parse(call.function.arguments));
    assert.deepEqual(read(streamed), read(whole));
    assert.equal(streamed.tool_calls.length, 2);
    assert.equal(new Set(streamed.tool_calls.map((call) => call.id)).size, 2);
  });
}

test("the client runs the tools itself", async () => {
  const runner = client.chat.completions.runTools({
    model: "echo-tools",
    messages: user("Weather?"),
    temperature: 0,
    tools: [
      {
        type: "function",
        function: { ...tools[0].function, function: ({ city }) => `${city}: sunny`, parse: JSON.parse },
      },
    ],
  });
  assert.equal(await runner.finalContent(), "The weather in Zurich is sunny.");
});
