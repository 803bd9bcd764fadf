// Pictures of the main views for README, at 1440 and 390 px, light and dark, into docs/screenshots.
//
// The answers and figures in them are real: the built-in models are asked first. A tab whose task no model here can do shows
// what can be fetched for it; SPEECH is a recording to transcribe, PICTURE a picture to describe. Nothing else should run meanwhile, or
// the comparison says so. ONLY is a list of views (some are made only when asked for), OUT another folder.

import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { launch } from "./browser.mjs";
import { picture } from "./files.mjs";
import { exported, imported } from "./harness.mjs";
import { startServer } from "./server.mjs";

const out = process.env.OUT ?? fileURLToPath(new URL("../../docs/screenshots", import.meta.url));
const only = (process.env.ONLY ?? "empty,chat,markdown,side,compare,entities,ocr,vision,speech,models").split(",");
mkdirSync(out, { recursive: true });

const server = await startServer([]);
const { url } = server;

async function post(path, body) {
  const response = await fetch(url + path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  const text = await response.text();
  if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
  return text;
}

/** The data of the first event of a kind in a stream that has ended. */
const event = (stream, type) => stream.split("\n").filter((line) => line.startsWith("data: {")).map((line) => JSON.parse(line.slice(6))).find((one) => one.type === type);

const RICH = `The star marks the best of its row, beyond the noise over the repetitions.

\`\`\`python
client = OpenAI(base_url="http://127.0.0.1:8080/v1", api_key="none")
answer = client.chat.completions.create(model="tern-guide", messages=messages)
\`\`\`

| Term | Meaning |
|---|---|
| \`kl\` | nats a token, against the reference |
| \`perplexity\` | choices a token, as the model saw its own answer |

$$\\mathrm{KL}(P\\,\\|\\,Q) = \\sum_x P(x) \\log\\frac{P(x)}{Q(x)}$$`;

/** Asks what the pictures show; gives where it is. */
async function prepare() {
  const day = 86_400_000;
  const older = [["Reading a GGUF header", 1.2], ["Why is the second answer faster?", 3], ["Sampling with min-p", 12], ["First steps", 70]];
  for (const [title, days] of older) {
    const document = exported(title, 1);
    const [one] = document.conversations;
    one.created_ms = one.updated_ms = Date.now() - days * day;
    if (title.startsWith("Sampling")) one.tags = ["sampling"];
    await imported(url, document);
  }
  const rich = exported("What does the star at a figure mean?", 1, RICH);
  rich.conversations[0].tree[0].content = rich.conversations[0].title;
  const markdown = await imported(url, rich);
  const chat = JSON.parse(await post("/api/conversations", { model: "tern-guide", tags: ["quantization"] })).id;
  for (const content of ["What is Tern?", "How do I load a GGUF file?", "How do I compare two quantizations?"]) await post(`/api/conversations/${chat}/messages`, { content });
  const ran = await post("/api/compare", { prompts: ["How do I compare two quantizations?"], repetitions: 5, columns: [{ model: "tern-guide" }, { model: "tern-guide-q8_0" }], parameters: { temperature: 0 } });
  return { chat, markdown, comparison: event(ran, "end").comparison.id };
}

const places = await prepare();
const browser = await launch();

async function chat(page, id) {
  await page.goto(`${url}/chat/${id}`);
  await page.waitForSelector(".markdown > *");
  await page.waitForTimeout(900);
}

async function compare(page) {
  await page.goto(`${url}/compare/${places.comparison}`);
  await page.waitForSelector(".figure-table");
  await page.waitForTimeout(500);
}

/** Whether there is a model for a task, once that is known. */
async function able(page) {
  await page.locator(".offer, .drop, #message").first().waitFor();
  return (await page.locator(".offer").count()) === 0;
}

const views = {
  async empty(page) {
    await page.goto(url);
    await page.waitForSelector(".examples");
  },
  chat: (page) => chat(page, places.chat),
  markdown: (page) => chat(page, places.markdown),
  async settings(page) {
    await chat(page, places.chat);
    await page.getByRole("button", { name: "Settings of this chat" }).click();
  },
  async side(page, width) {
    if (width > 900) return false;
    await chat(page, places.chat);
    await page.getByRole("button", { name: "Open the side bar" }).click();
  },
  async setup(page) {
    await page.goto(`${url}/compare`);
    await page.waitForSelector(".setup-column");
  },
  compare,
  async figures(page) {
    await compare(page);
    await page.locator(".compare-page").evaluate((element) => (element.scrollTop = element.querySelector(".votes").offsetTop - 130));
  },
  async entities(page) {
    await page.goto(`${url}/entities`);
    if (!(await able(page))) return;
    await page.getByRole("button", { name: "Example" }).click();
    await page.keyboard.press("Control+Enter");
    await page.locator(".entity-text").waitFor();
  },
  async ocr(page) {
    await page.goto(`${url}/ocr`);
    if (!(await able(page))) return;
    await page.locator(".drop input").setInputFiles(await picture(page.context()));
    await page.locator(".ocr-lines").waitFor();
    await page.locator(".ocr-lines [role=option]").nth(1).click();
  },
  async vision(page) {
    await page.goto(`${url}/vision`);
    if (!(await able(page))) return;
    await page.locator(".drop input").setInputFiles(process.env.PICTURE ?? (await picture(page.context())));
    await page.getByRole("button", { name: "Describe" }).click();
    await page.locator(".said .button").waitFor({ timeout: 120_000 });
    await page.waitForFunction(() => !document.querySelector(".task-busy"), null, { timeout: 120_000 });
  },
  async speech(page) {
    await page.goto(`${url}/speech`);
    if (!(await able(page)) || !process.env.SPEECH) return;
    await page.locator(".drop input").setInputFiles(process.env.SPEECH);
    await page.getByRole("button", { name: "Transcribe" }).click();
    await page.getByRole("button", { name: "Save as SRT" }).waitFor({ timeout: 300_000 });
    await page.locator(".stamp").nth(1).click();
  },
  async models(page) {
    await page.goto(`${url}/models`);
    await page.waitForSelector(".file-rows li");
  },
};

for (const width of [1440, 390]) {
  for (const colorScheme of ["light", "dark"]) {
    const context = await browser.newContext({ viewport: { width, height: width === 390 ? 844 : 900 }, colorScheme, reducedMotion: "reduce", hasTouch: width === 390 });
    const page = await context.newPage();
    for (const [name, view] of Object.entries(views)) {
      if (!only.includes(name)) continue;
      if ((await view(page, width)) === false) continue;
      await page.waitForTimeout(400);
      await page.screenshot({ path: `${out}/${name}-${width}-${colorScheme}.png` });
    }
    await context.close();
  }
}
await browser.close();
server.stop();
