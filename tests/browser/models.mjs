// The Models tab.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "./harness.mjs";
import { startHub } from "./hub.mjs";
import { startServer } from "./server.mjs";

test("models are loaded, unloaded and used", async ({ page, url }) => {
  await page.goto(`${url}/models`);
  const row = page.locator(".model-row").filter({ has: page.locator("b").getByText("tern-guide-q8_0", { exact: true }) });
  await row.waitFor();
  if (await row.getByRole("button", { name: "Unload" }).count()) await row.getByRole("button", { name: "Unload" }).click();
  await row.getByRole("button", { name: "Load", exact: true }).click();
  await row.getByText("loaded", { exact: true }).waitFor();
  await page.locator(".memory-bar i").first().waitFor({ state: "attached" });
  await row.getByRole("button", { name: "Unload" }).click();
  await row.getByRole("button", { name: "Load", exact: true }).waitFor();
  assert.match(await page.locator(".models-page").innerText(), /To be fetched/);
  await row.getByRole("button", { name: "Chat" }).click();
  await page.waitForFunction(() => document.querySelector(".chat-bar .pick b")?.textContent === "tern-guide-q8_0");
});

test("the page of models says what fits and copies its calls", async ({ page, url }) => {
  await page.goto(`${url}/models`);
  const file = page.locator(".file-rows li").first();
  await file.waitFor();
  assert.match(await page.locator(".file-rows").first().innerText(), /fits|too large|installed/);
  await page.getByRole("button", { name: /As API call/ }).first().click();
  assert.match(await page.locator(".snippet").innerText(), /api\/models\/pull/);
});

// It starts a server of its own.
if (!process.env.MOCK && !process.env.TERN_URL) test("a download shows how far it is, is stopped, and goes on from there", async ({ page, context }) => {
  const guide = readFileSync(fileURLToPath(new URL("../../models/guide/tern-guide.gguf", import.meta.url)));
  const half = guide.length >> 1;
  const hub = await startHub("guide.gguf", guide, half);
  const server = await startServer([], undefined, { HF_ENDPOINT: hub.url, HF_HUB_OFFLINE: "0", HF_HOME: mkdtempSync(join(tmpdir(), "tern-hub-")) });
  try {
    await page.goto(`${server.url}/models`);
    const begin = async () => {
      await page.getByRole("textbox", { name: "Another file" }).fill("org/name:guide.gguf");
      await page.getByRole("button", { name: "Fetch", exact: true }).last().click();
    };
    const progress = page.locator(".pull");
    const isHalf = () => page.waitForFunction(() => {
      const bar = document.querySelector(".pull progress");
      return bar && bar.value > 0.3 && bar.value < 0.7;
    });
    await begin();
    await isHalf();
    assert.match(await progress.innerText(), /[\d.]+ [MK]i?B of [\d.]+ [MK]i?B/);
    await progress.getByRole("button", { name: /Stop/ }).click();
    await progress.waitFor({ state: "detached" });
    await begin();
    await isHalf();
    hub.release();
    await progress.waitFor({ state: "detached" });
    await page.locator(".model-row b").getByText("org/name:guide.gguf").first().waitFor();
    assert.ok(hub.ranges.at(-1) >= half * 0.9, `the second download began at ${hub.ranges.at(-1)}`);
  } finally {
    hub.stop();
    server.stop();
  }
});
