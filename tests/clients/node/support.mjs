// A client as a user makes one, but for retries: an error must be seen, not repeated.
import OpenAI from "openai";

export const url = process.env.TERN_URL;
export const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0 });
export const PIECES = "Hello from the echo engine: one, two, three.";
export const user = (content) => [{ role: "user", content }];

export const chat = (fields = {}) =>
  client.chat.completions.create({ model: "echo-pieces", messages: user("hi"), temperature: 0, ...fields });

/// All chunks of a stream.
export async function all(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

export const text = (chunks) => chunks.map((chunk) => chunk.choices[0]?.delta?.content ?? "").join("");
