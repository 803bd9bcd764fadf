// How long the page holds the browser up: printed, and bounded where it would be felt.

import assert from "node:assert/strict";
import { exported, imported, input, openChat, send, test } from "./harness.mjs";

/** Collects tasks of more than 50 ms from now on. */
const watch = (page) => page.evaluate(() => {
  window.tasks = [];
  new PerformanceObserver((list) => window.tasks.push(...list.getEntries().map((entry) => Math.round(entry.duration)))).observe({ type: "longtask" });
});
const tasks = (page) => page.evaluate(() => window.tasks);
const said = (list) => (list.length ? `${list.length} long tasks, the longest ${Math.max(...list)} ms` : "no task over 50 ms");

test("2,000 messages open and scroll", async ({ page, url }) => {
  const answer = (i) => (i % 5 ? `Answer ${i}. ${"Some words of text. ".repeat(20)}` : `## Part ${i}\n\n- one\n- two\n\n\`\`\`python\nprint(${i})\n\`\`\`\n\n| a | b |\n|---|---|\n| 1 | ${i} |`);
  const id = await imported(url, exported("Two thousand messages", 1000, answer));
  await page.goto(url);
  await input(page).waitFor();
  await watch(page);
  const begun = Date.now();
  await page.evaluate((path) => { history.pushState(null, "", path); dispatchEvent(new PopStateEvent("popstate")); }, `/chat/${id}`);
  await page.getByText("Question 1000", { exact: true }).waitFor();
  const opened = Date.now() - begun;
  const opening = await tasks(page);
  await page.evaluate(() => (window.tasks = []));
  const log = page.locator(".log");
  let frames = await page.evaluate(async () => {
    const log = document.querySelector(".log");
    const times = [];
    let last = performance.now();
    for (let i = 0; i < 240; i++) {
      log.scrollTop -= 300;
      await new Promise(requestAnimationFrame);
      times.push(performance.now() - last);
      last = performance.now();
    }
    return times.sort((a, b) => a - b);
  });
  const p95 = Math.round(frames[Math.floor(frames.length * 0.95)]);
  console.log(`      2,000 messages: open in ${opened} ms (${said(opening)}); scrolling 240 frames: p95 ${p95} ms a frame, ${said(await tasks(page))}`);
  assert.ok(opened < 3000, `opened in ${opened} ms`);
  assert.ok(p95 < 120, `a frame takes ${p95} ms`);
  assert.ok((await log.evaluate((element) => element.querySelectorAll(".message").length)) > 60, "earlier messages came while scrolling");
  // A search hit far up is put in and shown.
  await page.keyboard.press("Control+k");
  await page.keyboard.type("Question 17");
  await page.waitForTimeout(500);
});

test("a fast stream leaves the page responsive", async ({ page, url }) => {
  await openChat(page, url, "echo-long");
  await watch(page);
  await send(page, "as fast as you can");
  await page.waitForFunction(() => document.querySelector(".markdown")?.textContent.length > 4000, null, { timeout: 30_000 });
  const begun = performance.now();
  await input(page).fill("typed meanwhile");
  const typed = Math.round(performance.now() - begun);
  await page.waitForFunction(() => document.querySelector(".markdown")?.textContent.length > 8000, null, { timeout: 30_000 });
  await page.getByRole("button", { name: "Stop", exact: true }).click();
  await page.getByText("Stopped", { exact: true }).waitFor();
  const list = await tasks(page);
  const figures = await page.locator("button.stats").innerText();
  console.log(`      streaming (${figures.split("\n")[0]}): ${said(list)}; a field was filled in ${typed} ms meanwhile`);
  assert.ok(list.filter((duration) => duration > 200).length === 0, `tasks of ${list} ms`);
});

test("the first view is small", async ({ page, url }) => {
  let bytes = 0;
  const session = await page.context().newCDPSession(page);
  await session.send("Network.enable");
  session.on("Network.loadingFinished", (event) => (bytes += event.encodedDataLength));
  await page.goto(url);
  await input(page).waitFor();
  await page.waitForTimeout(500);
  console.log(`      the first view takes ${Math.round(bytes / 1000)} kB over the wire`);
  assert.ok(bytes < 500_000);
});
