// What the models of the stand-in say, and the conversations it begins with.

import { id } from "./mock-tools.mjs";

/** Text in pieces about as large as tokens. */
export function pieces(text) {
  return text.match(/\s?[^\s]{1,6}|\s+/g) ?? [];
}

const RICH = `Open **Compare**, choose the same model twice and give each column another quantization.

1. Press *Compare quantizations of this model*.
2. Type a prompt, the same for every column.
3. Press **Run**. The columns are run one after another, so that the times are fair.

\`\`\`python
from openai import OpenAI

client = OpenAI(base_url="http://127.0.0.1:8080/v1", api_key="none")

def ask(question: str) -> str:
    """Asks the built-in model."""
    answer = client.chat.completions.create(model="tern-guide", messages=[{"role": "user", "content": question}])
    return answer.choices[0].message.content
\`\`\`

| Quantization | Size | Speed |
|---|---:|---:|
| \`i2_s\` | 1.9 MB | 412 tok/s |
| \`q8_0\` | 3.9 MB | 305 tok/s |

Perplexity is $\\exp\\left(-\\frac{1}{n}\\sum_{i=1}^{n} \\log p_i\\right)$, and for a whole answer

$$\\mathrm{KL}(P\\,\\|\\,Q) = \\sum_x P(x) \\log\\frac{P(x)}{Q(x)}$$

> Lower is better, but only between models with the same tokenizer.

See [the API](/docs) or <https://example.org/paper>.`;

const HOSTILE = `<script>window.hacked = 1</script><img src=x onerror="window.hacked = 2"> [click](javascript:window.hacked=3)

![tracker](https://evil.example/pixel.png) <iframe src="https://evil.example"></iframe>

[data](data:text/html,<script>window.hacked=4</script>) <a href="x" onclick="window.hacked=5">raw</a> <style>body{display:none}</style>

$\\href{javascript:window.hacked=6}{x}$ and $\\includegraphics{https://evil.example/x.png}$ end`;

const GUIDE = "Tern is a local server for small language models. It runs on an ordinary CPU, speaks OpenAI's API, keeps your conversations, and lets you compare models side by side. I am its built-in guide: I know Tern and nothing else.";

const REASONING = "The person asks for an explanation. I should first name the tab, then the steps, then an example.\n\nA table would help here, and one formula.";

export function answerFor(question, model) {
  const reasoning = model.mock.reasoning ? REASONING : null;
  const cycle = (count) => Array.from({ length: count }, (_, i) => "the of and to in is it was for on".split(" ")[i % 10]).join(" ");
  if (model.id === "echo") return { reasoning, text: question };
  if (model.id === "echo-pieces") return { reasoning, text: "Hello from the echo engine: one, two, three." };
  if (model.id === "echo-slow") return { reasoning, text: cycle(50) };
  if (model.id === "echo-long") return { reasoning, text: cycle(5000) };
  if (model.id === "echo-reasoning") return { reasoning: "The user wants a sum: 2 + 2.", text: "The answer is 4." };
  if (/hostile/i.test(question)) return { reasoning, text: HOSTILE };
  if (/long/i.test(question)) return { reasoning, text: Array.from({ length: 60 }, (_, i) => `Paragraph ${i + 1}. ${GUIDE}`).join("\n\n") };
  if (/code|compare|math|quantization/i.test(question)) return { reasoning, text: RICH };
  if (/^echo /i.test(question)) return { reasoning, text: question.slice(5) };
  return { reasoning, text: GUIDE + (model.id.includes("q8") ? " The float form is a little larger." : "") };
}

const DAY = 86400000;

function exchange(entry, parent, question, answer, when, fields = {}) {
  const user = { id: id("msg"), conversation: entry.conversation.id, parent, role: "user", content: question, reasoning: null, attachments: [], created_ms: when, status: "complete", answer: null };
  const reply = {
    id: id("msg"), conversation: entry.conversation.id, parent: user.id, role: "assistant", content: answer, reasoning: null, attachments: [], created_ms: when + 500, status: "complete",
    answer: { model: "tern-guide", engine: "bitnet", finish_reason: "stop", parameters: { temperature: 0.7 }, error: null,
      usage: { prompt_tokens: 71, cached_tokens: 64, completion_tokens: 96, reasoning_tokens: 0 },
      timings: { load_ms: 0, queue_ms: 0, prefill_ms: 9, decode_ms: 233, first_token_ms: 11, total_ms: 244, reasoning_ms: 0 } },
    ...fields,
  };
  entry.tree.push(user, reply);
  entry.conversation.current = reply.id;
  entry.conversation.messages = entry.tree.length;
  entry.conversation.updated_ms = when + 1000;
  return reply.id;
}

export function seedConversations(make) {
  const now = Date.now();
  const list = [
    ["How do I compare two quantizations?", RICH, 0.01, { pinned: true, tags: ["quantization"] }],
    ["Reading a GGUF header", GUIDE, 0.05, { tags: ["gguf", "notes"] }],
    ["Why is the second answer faster than the first one, and what does the cache do", GUIDE, 0.4, {}],
    ["<b>HTML</b> in a title", "Plain <b>text</b>.", 1.1, {}],
    ["مرحبا بالعالم 👋🏽", "مرحبا! كيف يمكنني مساعدتك؟", 1.2, {}],
    ["Sampling with min-p", GUIDE, 4, { tags: ["sampling"] }],
    ["BitNet on a Raspberry Pi", GUIDE, 12, { tags: ["notes"] }],
    ["First steps", GUIDE, 70, {}],
  ];
  for (const [title, answer, days, fields] of list) {
    const when = now - days * DAY;
    const entry = make({ title, created_ms: when, model: "tern-guide", ...fields });
    const first = exchange(entry, null, title, answer, when);
    if (days < 0.02) exchange(entry, first, "And what does the star at a figure mean?", "The best of its row, but only where the difference is larger than the noise over the repetitions.", when + 5000);
  }
  const big = make({ title: "Two thousand messages", created_ms: now - 20 * DAY, model: "tern-guide" });
  let parent = null;
  for (let i = 0; i < 1000; i++) parent = exchange(big, parent, `Question ${i + 1}`, i % 7 ? `Answer ${i + 1}. ${GUIDE}` : RICH, now - 20 * DAY + i * 1000);
  big.conversation.updated_ms = now - 20 * DAY;
}
