// Comparing models.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "./harness.mjs";

async function setColumn(page, place, model) {
  await page.locator(".setup-column .pick").nth(place).click();
  await page.getByRole("option").filter({ has: page.locator(".model-id").getByText(model, { exact: true }) }).click();
}

async function setUp(page, url, models, prompt) {
  await page.goto(`${url}/compare`);
  await page.locator(".setup-column").first().waitFor();
  for (const [place, model] of models.entries()) {
    if (place >= (await page.locator(".setup-column").count())) await page.getByRole("button", { name: "Add a column" }).click();
    await setColumn(page, place, model);
  }
  await page.getByRole("textbox", { name: "Prompt 1" }).fill(prompt);
}

async function run(page) {
  await page.getByRole("button", { name: "Run", exact: true }).click();
  await page.waitForURL(/\/compare\/cmp_/);
}

async function compare(page, url, models, prompt) {
  await setUp(page, url, models, prompt);
  await run(page);
}

const finished = (page) => page.waitForFunction(() => document.querySelectorAll(".cell").length > 0 && !document.querySelector(".page-head .button.primary") && document.querySelector(".figure-table"), null, { timeout: 30_000 });

test("two models are compared, judged, exported and continued", async ({ page, url }) => {
  await compare(page, url, ["tern-guide", "tern-guide-q8_0"], "What is Tern?");
  await finished(page);
  const cells = page.locator(".cell");
  assert.equal(await cells.count(), 2);
  for (const cell of await cells.all()) assert.match(await cell.locator(".cell-text").innerText(), /Tern/);
  const table = await page.locator(".figure-table").first().innerText();
  for (const figure of ["First token", "Decode", "Weights", "Prompt", "Answer", "Perplexity"]) assert.match(table, new RegExp(figure));
  await page.locator(".timeline .phase").first().waitFor();

  // Votes by key, and where they are counted.
  await cells.first().focus();
  await page.keyboard.press("2");
  await page.waitForFunction(() => document.querySelector('.votes [aria-checked="true"]')?.textContent === "B");
  await page.reload();
  await finished(page);
  assert.equal(await page.locator('.votes [aria-checked="true"]').innerText(), "B");
  await page.getByText("Votes over all comparisons").waitFor();

  await page.getByText(/Mark words that differ/).click();
  const waiting = page.waitForEvent("download");
  await page.getByRole("button", { name: "Export" }).click();
  await page.getByRole("menuitem", { name: "CSV" }).click();
  assert.match(readFileSync(await (await waiting).path(), "utf8"), /tern-guide-q8_0/);

  await cells.last().getByRole("button", { name: "Continue in Chat" }).click();
  await page.waitForURL(/\/chat\/conv_/);
  await page.locator(".message.assistant .markdown > *").first().waitFor();
  assert.match(await page.locator(".byline").innerText(), /tern-guide-q8_0/);
});

test("a comparison goes on through a reload, is stopped, and one cell runs again", async ({ page, url }) => {
  await compare(page, url, ["echo-slow", "echo-long"], "go");
  await page.waitForFunction(() => [...document.querySelectorAll(".cell-text")].some((cell) => cell.textContent.length > 20));
  await page.reload();
  await page.getByRole("button", { name: "Stop all" }).click();
  await finished(page);
  await page.locator(".cell").first().getByRole("button", { name: /again/ }).click();
  await page.getByRole("button", { name: "Stop all" }).waitFor();
  await finished(page);
  assert.equal((await page.locator(".cell").first().locator(".markdown").innerText()).trim().split(/\s+/).length, 50);
});

test("a column that fails says why and the others go on", async ({ page, url }) => {
  await compare(page, url, ["echo-error", "echo-pieces"], "hello");
  await finished(page);
  await page.locator(".cell").first().locator(".ending.failed").waitFor();
  assert.match(await page.locator(".cell").last().innerText(), /echo engine/);
});

test("several prompts make a grid; on a phone columns are tabs", { viewport: { width: 390, height: 844 } }, async ({ page, url }) => {
  await page.goto(`${url}/compare`);
  await page.locator(".setup-column").first().waitFor();
  await setColumn(page, 0, "echo");
  await setColumn(page, 1, "echo-pieces");
  await page.getByRole("button", { name: "Add a prompt" }).click();
  await page.getByRole("textbox", { name: "Prompt 1" }).fill("alpha");
  await page.getByRole("textbox", { name: "Prompt 2" }).fill("beta");
  await run(page);
  await finished(page);
  assert.equal(await page.locator(".prompt-section").count(), 2);
  assert.equal(await page.locator(".prompt-section").first().locator(".cell").count(), 1);
  await page.getByRole("tab").nth(1).click();
  assert.match(await page.locator(".cell").first().innerText(), /echo engine/);
});

test("names are hidden until the vote", async ({ page, url }) => {
  await compare(page, url, ["echo", "echo-pieces"], "blind");
  await finished(page);
  await page.getByText("Hide names until voted").click();
  assert.doesNotMatch(await page.locator(".cells").innerText(), /echo-pieces/);
  assert.equal(await page.locator(".figure-table").filter({ hasText: "Speed" }).count(), 0);
  await page.getByRole("radio", { name: "A", exact: true }).click();
  await page.locator(".cells").getByText("echo-pieces").first().waitFor();
});

test("answers are judged by a JSON schema", async ({ page, url }) => {
  await setUp(page, url, ["echo", "echo-pieces"], '{"city": "Oslo"}');
  await page.getByRole("button", { name: "Check the answers" }).click();
  await page.getByLabel("What to check").selectOption("schema");
  await page.getByLabel("JSON schema").fill('{"type": "object", "required": ["city"]}');
  await run(page);
  await finished(page);
  assert.match(await page.locator(".cell").first().locator(".verdicts .good").innerText(), /is valid under the JSON schema/);
  assert.match(await page.locator(".cell").last().locator(".verdicts .bad").innerText(), /is valid under the JSON schema/);
});

test("a file comes before the prompt of every column, and answers are compared by their meaning", async ({ page, url }) => {
  await page.goto(`${url}/compare`);
  await page.locator(".setup-column").first().waitFor();
  await setColumn(page, 0, "echo");
  await setColumn(page, 1, "echo-pieces");
  const files = page.locator(".compare-setup input[type=file]");
  await files.setInputFiles([{ name: "photo.png", mimeType: "image/png", buffer: Buffer.from([0x89, 0x50, 0x4e, 0x47]) }]);
  await page.getByText("photo.png is no text file").waitFor();
  await files.setInputFiles([{ name: "notes.txt", mimeType: "text/plain", buffer: Buffer.from("the secret word is walrus") }]);
  await page.locator(".files .file").getByText("notes.txt").waitFor();
  await page.getByRole("textbox", { name: "Prompt 1" }).fill("What is the word?");
  await run(page);
  await finished(page);
  assert.match(await page.locator(".cell").first().innerText(), /walrus/);
  await page.locator(".files .file").getByText("notes.txt").waitFor();
  const row = page.locator(".figure-table tr").filter({ hasText: "Similarity" });
  assert.match(await row.innerText(), /by echo-embed/);
  assert.match(await row.locator("td").last().innerText(), /^-?\d\.\d{3}$/);
  assert.equal(await row.locator("td").first().innerText(), "–", "the reference is compared with nothing");

  await page.locator(".cell").first().getByRole("button", { name: "Continue in Chat" }).click();
  await page.waitForURL(/\/chat\/conv_/);
  await page.locator(".question .file").getByText("notes.txt").waitFor();
  await page.goBack();
  await page.getByRole("button", { name: "Change and run again" }).click();
  await page.locator(".files .file").getByText("notes.txt").waitFor();
  await page.getByRole("button", { name: "Remove notes.txt" }).click();
  assert.equal(await page.locator(".files .file").count(), 0);
});
