// Sending, streaming, stopping, continuing, resuming.

import assert from "node:assert/strict";
import { answered, choose, input, openChat, send, test } from "./harness.mjs";

test("the first chat teaches, and its questions are answered", async ({ page, url }) => {
  await openChat(page, url, "tern-guide");
  await page.getByRole("button", { name: "What is Tern?" }).click();
  await page.waitForURL(/\/chat\/conv_/);
  assert.match(await answered(page), /Tern/);
  assert.equal(await page.title(), "What is Tern? – Tern");
  await page.locator(".side-list").getByText("What is Tern?").first().waitFor();
  const figures = await page.locator("button.stats").innerText();
  assert.match(figures, /tok\/s|s\/token/);
  assert.match(figures, /first [\d.]+ m?s/);
  await page.locator("button.stats").click();
  await page.getByRole("dialog").getByText("First token", { exact: true }).waitFor();
  await page.keyboard.press("Escape");
  assert.match(await page.locator(".gauge").last().innerText(), /context .+ % of 1,024/);
});

test("an answer is echoed, Enter sends, Shift+Enter breaks the line", async ({ page, url }) => {
  await openChat(page, url, "echo");
  await input(page).pressSequentially("one");
  await page.keyboard.press("Shift+Enter");
  await input(page).pressSequentially("two");
  await page.keyboard.press("Enter");
  assert.match(await answered(page), /one[\s\S]*two/);
  assert.equal(await input(page).inputValue(), "");
});

test("a composition of letters does not send", async ({ page, url }) => {
  await openChat(page, url, "echo");
  await input(page).fill("に");
  await input(page).dispatchEvent("keydown", { key: "Enter", isComposing: true, bubbles: true });
  await input(page).dispatchEvent("keydown", { key: "Enter", keyCode: 229, bubbles: true });
  await page.waitForTimeout(200);
  assert.equal(await page.locator(".message").count(), 0);
});

test("on touch Enter breaks the line and the button sends", { hasTouch: true, isMobile: true, viewport: { width: 390, height: 844 } }, async ({ page, url }) => {
  await openChat(page, url, "echo");
  await input(page).fill("first");
  await input(page).press("Enter");
  assert.equal(await page.locator(".message").count(), 0);
  await page.getByRole("button", { name: "Send" }).tap();
  assert.match(await answered(page), /first/);
});

test("text streams, Esc stops, the rest is continued", async ({ page, url }) => {
  await openChat(page, url, "echo-long");
  await send(page, "go");
  await page.waitForFunction(() => document.querySelector(".markdown")?.textContent.length > 60);
  await page.keyboard.press("Escape");
  const before = await answered(page);
  await page.getByText("Stopped", { exact: true }).waitFor();
  assert.ok(before.length > 60);
  await page.getByRole("button", { name: "Continue" }).click();
  await page.waitForFunction((length) => document.querySelector(".markdown")?.textContent.length > length + 40, before.length);
  await page.getByRole("button", { name: "Stop", exact: true }).click();
  const after = await answered(page);
  assert.ok(after.startsWith(before.slice(0, 50)), `${after.slice(0, 60)} does not begin with ${before.slice(0, 60)}`);
  assert.equal(await page.locator(".message").count(), 2);
});

test("a reload in the middle of an answer goes on where it was", async ({ page, url }) => {
  await openChat(page, url, "echo-slow");
  await send(page, "go on");
  await page.waitForFunction(() => document.querySelector(".markdown")?.textContent.length > 20);
  const before = await page.locator(".markdown").innerText();
  await page.reload();
  const whole = await answered(page);
  assert.ok(whole.startsWith(before.trim().slice(0, 15)));
  const words = whole.trim().split(/\s+/);
  assert.deepEqual(words.slice(0, 8), ["the", "of", "and", "to", "in", "is", "it", "was"], "nothing is lost or said twice");
  assert.equal(words.length, 50);
});

test("an answer goes on while its tab is closed", async ({ page, context, url }) => {
  await openChat(page, url, "echo-slow");
  await send(page, "go");
  await page.waitForURL(/\/chat\/conv_/);
  await page.locator(".message.assistant").waitFor();
  const address = page.url();
  await page.close();
  await new Promise((resolve) => setTimeout(resolve, 1600));
  const other = await context.newPage();
  await other.goto(address);
  assert.equal((await answered(other)).trim().split(/\s+/).length, 50);
});

test("thoughts are folded with their time", async ({ page, url }) => {
  await openChat(page, url, "echo-reasoning");
  await send(page, "2 + 2");
  assert.match(await answered(page), /The answer is 4/);
  const fold = page.locator(".thoughts > button");
  assert.match(await fold.innerText(), /Thought|Thoughts/);
  assert.equal(await page.getByText("wants a sum").isVisible(), false);
  await fold.click();
  await page.getByText("wants a sum").waitFor();
});

test("a failing engine says why, and the question stays", async ({ page, url }) => {
  await openChat(page, url, "echo-error");
  await send(page, "will it break");
  await page.locator(".ending.failed").waitFor();
  assert.match(await page.locator(".message.user").innerText(), /will it break/);
  await choose(page, "echo");
});

test("a draft survives a reload and is gone once sent", async ({ page, url }) => {
  await openChat(page, url, "echo");
  await input(page).fill("not yet sent");
  await page.reload();
  assert.equal(await input(page).inputValue(), "not yet sent");
  await input(page).press("Enter");
  await answered(page);
  await page.reload();
  await page.locator(".message").first().waitFor();
  assert.equal(await input(page).inputValue(), "");
});

test("parameters are refused out of range, kept, and reset", async ({ page, url }) => {
  await openChat(page, url, "echo-slow");
  await page.getByRole("button", { name: "Settings of this chat" }).click();
  const temperature = page.getByRole("spinbutton", { name: "Temperature" });
  await temperature.fill("3");
  await page.getByText("0 to 2").waitFor();
  await temperature.fill("0.5");
  await page.getByRole("spinbutton", { name: "Max tokens" }).fill("5");
  await send(page, "short");
  assert.equal((await answered(page)).trim().split(/\s+/).length, 5);
  await page.getByText("Ended at the limit of tokens").waitFor();
  await page.reload();
  await page.locator(".message").first().waitFor();
  assert.equal(await page.getByRole("spinbutton", { name: "Max tokens" }).inputValue(), "5");
  await page.getByRole("button", { name: "Reset to defaults" }).click();
  assert.equal(await temperature.inputValue(), "");
});

test("a text file is attached, a picture is refused before it is sent", async ({ page, url }) => {
  await openChat(page, url, "echo");
  const files = page.locator(".composer input[type=file]");
  await files.setInputFiles([{ name: "photo.png", mimeType: "image/png", buffer: Buffer.from([0x89, 0x50, 0x4e, 0x47]) }]);
  await page.getByText("cannot see images").waitFor();
  await files.setInputFiles([{ name: "program.exe", mimeType: "application/octet-stream", buffer: Buffer.from([0, 1, 2, 3]) }]);
  await page.getByText("is no text file").waitFor();
  await files.setInputFiles([{ name: "notes.txt", mimeType: "text/plain", buffer: Buffer.from("the secret word is walrus") }]);
  await send(page, "What is the word?");
  assert.match(await answered(page), /walrus/, "echo repeats what it was given");
  await page.locator(".question .file").waitFor();
});
