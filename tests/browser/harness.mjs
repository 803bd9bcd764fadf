// What every test needs: a page that watches itself, and a list of tests that run one after another.

import assert from "node:assert/strict";
import { launch } from "./browser.mjs";

const tests = [];
const filter = process.env.ONLY;

/** Declares a test. `options` are those of a browser context, and `quiet: false` where errors are meant to be logged. */
export function test(name, options, body) {
  tests.push(typeof options === "function" ? { name, options: {}, body: options } : { name, options, body });
}

/** Runs all of them against `server` and exits. */
export async function runAll(server) {
  const browser = await launch();
  let failed = 0;
  for (const { name, options, body } of tests) {
    if (filter && !name.includes(filter)) continue;
    const { quiet = true, ...contextOptions } = options;
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, permissions: ["clipboard-read", "clipboard-write"], acceptDownloads: true, ...contextOptions });
    const page = await context.newPage();
    const complaints = [];
    const watch = (one) => {
      one.on("console", (message) => {
        if (message.type() === "error" || /Content.Security.Policy/i.test(message.text())) complaints.push(`console: ${message.text()}`);
      });
      one.on("pageerror", (error) => complaints.push(`error: ${error.message}`));
      one.on("request", (request) => {
        if (new URL(request.url()).hostname !== new URL(server.url).hostname && !/^(data|blob):/.test(request.url())) complaints.push(`request off the host: ${request.url()}`);
      });
    };
    watch(page);
    context.on("page", watch);
    page.setDefaultTimeout(10_000);
    const begun = Date.now();
    try {
      await body({ page, context, server, url: server.url, complaints });
      if (quiet) assert.deepEqual(complaints, [], "the page complained");
      console.log(`ok    ${name} (${Date.now() - begun} ms)`);
    } catch (error) {
      failed += 1;
      const picture = `${process.env.OUT ?? "/tmp"}/failed-${name.replace(/\W+/g, "-")}.png`;
      await page.screenshot({ path: picture }).catch(() => {});
      console.log(`FAIL  ${name}\n${error.stack}\n${complaints.join("\n")}\npicture: ${picture}`);
    } finally {
      await context.close();
    }
  }
  await browser.close();
  server.stop();
  console.log(failed ? `${failed} failed` : "all browser tests passed");
  process.exit(failed ? 1 : 0);
}

export const input = (page) => page.getByRole("textbox", { name: "Message", exact: true });

/** New chats are at temperature 0: above it the scripted models stray from their scripts. */
export const atTemperatureZero = (page) =>
  page.addInitScript(() => {
    const wishes = { model: null, system_prompt: null, parameters: { temperature: 0 } };
    if (!localStorage.getItem("tern.wishes")) localStorage.setItem("tern.wishes", JSON.stringify(wishes));
  });

/** Opens a new chat with a model, at temperature 0. */
export async function openChat(page, url, model) {
  await atTemperatureZero(page);
  await page.goto(url);
  await input(page).waitFor();
  if (model) await choose(page, model);
}

export async function choose(page, model) {
  await page.locator(".chat-bar .pick").click();
  await page.getByRole("option").filter({ has: page.locator(".model-id").getByText(model, { exact: true }) }).click();
}

export async function send(page, text) {
  await input(page).fill(text);
  await input(page).press("Enter");
}

/** The text of the last answer once it has ended. */
export async function answered(page, count = 1) {
  await page.waitForFunction((n) => document.querySelectorAll(".message.assistant").length >= n && !document.querySelector(".byline .chip") && !document.querySelector(".send[aria-label=Stop]"), count);
  return page.locator(".message.assistant").last().locator(".markdown").innerText();
}

/** Something to import: a conversation of `exchanges` questions and answers. */
export function exported(title, exchanges, answer = "An answer with **Markdown**.") {
  const tree = [];
  const now = Date.now() - 1000 * exchanges;
  for (let i = 0; i < exchanges; i++) {
    const text = typeof answer === "function" ? answer(i) : answer;
    tree.push({ id: `q${i}`, parent: i ? `a${i - 1}` : null, role: "user", content: `Question ${i + 1}`, created_ms: now + i });
    tree.push({ id: `a${i}`, parent: `q${i}`, role: "assistant", content: text, created_ms: now + i, answer: { model: "tern-guide", engine: "bitnet", finish_reason: "stop" } });
  }
  return { format: "tern-conversations", version: 1, conversations: [{ id: "", title, title_is_given: true, created_ms: now, updated_ms: now, current: tree.at(-1)?.id, tree }] };
}

export async function imported(url, document) {
  const response = await fetch(`${url}/api/conversations/import`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(document) });
  const result = await response.json();
  assert.equal(response.status, 200, JSON.stringify(result));
  assert.equal(result.imported.length, 1, JSON.stringify(result));
  return result.imported[0];
}
