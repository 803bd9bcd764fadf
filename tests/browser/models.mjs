// The Models tab.

import assert from "node:assert/strict";
import { test } from "./harness.mjs";

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
