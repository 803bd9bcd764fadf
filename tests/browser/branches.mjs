// Editing, regenerating, moving between branches, deleting, copying.

import assert from "node:assert/strict";
import { answered, openChat, send, test } from "./harness.mjs";

test("an edit makes a branch, and both are kept", async ({ page, url }) => {
  await openChat(page, url, "echo");
  await send(page, "the first wording");
  await answered(page);
  await page.locator(".message.user").hover();
  await page.getByRole("button", { name: "Edit", exact: true }).click();
  await page.getByRole("textbox", { name: "Edit" }).fill("the second wording");
  await page.getByRole("button", { name: "Send as a new branch" }).click();
  await page.locator(".markdown").getByText("the second wording").waitFor();
  await answered(page);
  const branches = page.locator(".message.user .branches");
  assert.match(await branches.innerText(), /2\/2/);
  await branches.getByRole("button", { name: "Previous branch" }).click();
  await page.locator(".markdown").getByText("the first wording").waitFor();
  await page.reload();
  await page.locator(".markdown").getByText("the first wording").waitFor();
  assert.match(await page.locator(".message.user .branches").innerText(), /1\/2/);
});

test("an answer is asked for again, also from another model", async ({ page, url }) => {
  await openChat(page, url, "echo");
  await send(page, "hello there");
  await answered(page);
  await page.getByRole("button", { name: "Answer again", exact: true }).click();
  await page.locator(".message.assistant .branches").getByText("2/2").waitFor();
  await answered(page);
  await page.getByRole("button", { name: "Answer again with …" }).click();
  await page.getByRole("option").filter({ has: page.locator(".model-id").getByText("echo-pieces", { exact: true }) }).click();
  await page.locator(".message.assistant .branches").getByText("3/3").waitFor();
  assert.match(await answered(page), /echo engine/);
  assert.match(await page.locator(".byline").innerText(), /echo-pieces/);
});

test("a message is deleted after a question, with what follows", async ({ page, url }) => {
  await openChat(page, url, "echo");
  await send(page, "one");
  await answered(page);
  await send(page, "two");
  await answered(page, 2);
  await page.locator(".message.user").last().hover();
  await page.locator(".message.user").last().getByRole("button", { name: "Actions for this message" }).click();
  await page.getByRole("menuitem", { name: "Delete" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await page.waitForFunction(() => document.querySelectorAll(".message").length === 2);
});

test("answers are copied as Markdown and as API calls", async ({ page, url }) => {
  await openChat(page, url, "echo");
  await send(page, "**bold** it's");
  await answered(page);
  await page.locator(".message.assistant").getByRole("button", { name: "Copy as Markdown" }).click();
  await page.getByText("Copied").waitFor();
  assert.match(await page.evaluate(() => navigator.clipboard.readText()), /\*\*bold\*\*/);
  await page.locator(".message.assistant").getByRole("button", { name: "Actions for this message" }).click();
  await page.getByRole("menuitem", { name: "As API call" }).click();
  await page.locator(".snippet").getByText("curl").waitFor();
  assert.match(await page.locator(".snippet").innerText(), /v1\/chat\/completions/);
  await page.getByRole("button", { name: "Python" }).click();
  assert.match(await page.locator(".snippet").innerText(), /from openai import OpenAI/);
});

test("code has its language, is copied and wrapped", async ({ page, url }) => {
  await openChat(page, url, "echo");
  await send(page, "```python\nprint('hello')\n```\n\nand $x^2$ too");
  await answered(page);
  const block = page.locator(".code-block");
  assert.match(await block.locator(".code-head").innerText(), /python/);
  await block.locator(".hljs-string").waitFor();
  await block.getByRole("button", { name: "Copy" }).click();
  await block.getByText("Copied").waitFor();
  assert.match(await page.evaluate(() => navigator.clipboard.readText()), /print\('hello'\)/);
  await block.getByRole("button", { name: "Wrap" }).click();
  assert.equal(await block.evaluate((element) => element.classList.contains("wrapped")), true);
  await page.locator(".katex").first().waitFor();
});

test("a conversation is continued as a new one", async ({ page, url }) => {
  await openChat(page, url, "echo");
  await send(page, "origin");
  await answered(page);
  const before = page.url();
  await page.locator(".message.assistant").getByRole("button", { name: "Actions for this message" }).click();
  await page.getByRole("menuitem", { name: "New conversation from here" }).click();
  await page.waitForFunction((address) => location.href !== address && document.querySelectorAll(".message").length === 2, before);
});
