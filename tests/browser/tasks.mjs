// The tabs of tasks, on scripted models: names, text in pictures, descriptions, speech; pictures and recordings in a chat.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { AxeBuilder } from "./browser.mjs";
import { picture, recording } from "./files.mjs";
import { answered, input, openChat, send, test } from "./harness.mjs";

const model = (page, id) => page.locator(".task-model select").selectOption(id);
const choose = (page, file) => page.locator(".drop input[type=file]").setInputFiles(file);
/** Results are looked at by axe, too; the empty pages are in looks.mjs. */
async function accessible(page) {
  const { violations } = await new AxeBuilder({ page }).analyze();
  const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  assert.deepEqual(serious.map((one) => `${one.id}: ${one.nodes.slice(0, 3).map((node) => node.html.slice(0, 200)).join(" | ")}`), []);
}
const idle = (page) => page.waitForFunction(() => !document.querySelector(".task-busy"));

async function entities(page, url, text) {
  await page.goto(`${url}/entities`);
  await model(page, "echo-ner");
  await page.getByLabel("Text", { exact: true }).fill(text);
  await page.keyboard.press("Control+Enter");
  await page.locator(".entity").first().waitFor();
}

const marks = (page) => page.locator(".entity").evaluateAll((all) => all.map((one) => one.firstChild.textContent));

test("names are marked where they stand, also behind emoji and accents", async ({ page, url }) => {
  const text = "🎉 yesterday 👩‍🚀 Ada Lovelace sat in Ko\u0308ln and saw Köln and Tern.";
  await entities(page, url, text);
  for (const mark of await marks(page)) assert.ok(["Ada Lovelace", "Köln", "Tern"].includes(mark) || text.includes(mark) && /^[A-Z]/.test(mark), mark);
  assert.ok((await marks(page)).includes("Ada Lovelace"));
  assert.equal(await page.locator(".entity-text").evaluate((element) => { element = element.cloneNode(true); element.querySelectorAll(".entity-label").forEach((one) => one.remove()); return element.textContent; }), text);
  assert.match(await page.locator(".task-figures").innerText(), /echo-ner/);
  await accessible(page);
});

test("names are filtered by group, and copied as JSON", async ({ page, url }) => {
  await entities(page, url, "yesterday Ada Lovelace sat in Köln.");
  assert.deepEqual(await marks(page), ["Ada Lovelace", "Köln"]);
  await page.getByRole("button", { name: /^LOC/ }).click();
  assert.deepEqual(await marks(page), ["Ada Lovelace"]);
  assert.equal(await page.locator(".task-table tbody tr").count(), 1);
  await page.getByRole("button", { name: "Copy JSON" }).click();
  const copied = JSON.parse(await page.evaluate(() => navigator.clipboard.readText()));
  assert.equal(copied.data[0].entities.length, 2);
});

test("a text and its names are still there after another tab", async ({ page, url }) => {
  await entities(page, url, "yesterday Ada Lovelace sat in Köln.");
  await page.getByRole("navigation", { name: "Parts of Tern" }).getByRole("link", { name: "Models" }).click();
  await page.locator(".model-row").first().waitFor();
  await page.getByRole("navigation", { name: "Parts of Tern" }).getByRole("link", { name: "Entities" }).click();
  await page.locator(".entity").first().waitFor();
  assert.equal(await page.getByLabel("Text", { exact: true }).inputValue(), "yesterday Ada Lovelace sat in Köln.");
});

test("what the server refuses is shown as it says it", { quiet: false }, async ({ page, url }) => {
  await page.route("**/api/ner", (route) => route.fulfill({ status: 400, contentType: "application/json", body: JSON.stringify({ error: { message: "input is <b>too</b> long", code: "x" } }) }));
  await page.goto(`${url}/entities`);
  await page.getByRole("button", { name: "Example" }).click();
  await page.getByRole("button", { name: "Find names" }).click();
  assert.equal(await page.getByRole("alert").innerText(), "input is <b>too</b> long");
});

test("a request that is cancelled, or left, ends", async ({ page, url }) => {
  let requests = 0;
  const failed = [];
  page.on("requestfailed", (request) => failed.push(request.url()));
  await page.route("**/api/ner", () => void (requests += 1));
  await page.goto(`${url}/entities`);
  await page.getByRole("button", { name: "Example" }).click();
  await page.getByRole("button", { name: "Find names" }).click();
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.getByRole("button", { name: "Find names" }).click();
  await page.getByRole("button", { name: "Cancel" }).waitFor();
  await page.getByRole("navigation", { name: "Parts of Tern" }).getByRole("link", { name: "Chat" }).click();
  await input(page).waitFor();
  await page.waitForTimeout(200);
  assert.deepEqual([requests, failed.length], [2, 2]);
});

test("words lie over the picture where they were read", async ({ page, url, context }) => {
  await page.goto(`${url}/ocr`);
  await page.getByLabel("The page may be turned").waitFor();
  await model(page, "echo-ocr");
  await choose(page, await picture(context));
  const lines = page.getByRole("listbox", { name: "Lines of text" });
  await lines.waitFor();
  // The overlay is as large as the picture, and has its pixels as units.
  const [box, image] = await Promise.all([page.locator(".boxes").boundingBox(), page.locator(".preview img").boundingBox()]);
  for (const side of ["x", "y", "width", "height"]) assert.ok(Math.abs(box[side] - image[side]) < 1.5, JSON.stringify([box, image]));
  assert.equal(await page.locator(".boxes").getAttribute("viewBox"), "0 0 600 320");
  const word = page.locator(".boxes [data-word]").first();
  await word.focus();
  const name = await word.getAttribute("aria-label");
  assert.match(name, /^.+, \d+ % sure$/);
  assert.ok(name.startsWith(await page.locator(".word-tip b").innerText()));
  await page.keyboard.press("ArrowRight");
  assert.equal(await page.evaluate(() => document.activeElement.getAttribute("data-word")), "1");
  await lines.getByRole("option").first().click();
  await page.locator(".line-box").waitFor({ state: "attached" });
  await page.keyboard.press("ArrowDown");
  assert.equal(await lines.getByRole("option").nth(1).getAttribute("aria-selected"), "true");
  await accessible(page);
  await page.getByRole("button", { name: "Copy text" }).click();
  assert.ok((await page.evaluate(() => navigator.clipboard.readText())).length > 0);
});

test("a file that is no picture is refused at once", async ({ page, url }) => {
  await page.goto(`${url}/ocr`);
  await page.getByLabel("The page may be turned").waitFor();
  await choose(page, { name: "notes.txt", mimeType: "text/plain", buffer: Buffer.from("no picture") });
  assert.equal(await page.getByRole("alert").innerText(), "notes.txt is no image.");
});

test("a picture is described, and a question answered", async ({ page, url, context }) => {
  await page.goto(`${url}/vision`);
  await model(page, "echo-caption");
  await choose(page, await picture(context));
  await page.getByRole("button", { name: "Describe" }).click();
  await page.locator(".said li").first().waitFor();
  await idle(page);
  assert.match(await page.locator(".said-text").first().innerText(), /an image of/);
  await page.getByLabel("Question").fill("How many boats?");
  await page.keyboard.press("Enter");
  await page.locator(".said li").nth(1).waitFor();
  await idle(page);
  assert.match(await page.locator(".said-question").first().innerText(), /How many boats\?/);
  assert.match(await page.locator(".task-figures").first().innerText(), /echo-caption.*token/s);
  await accessible(page);
});

test("a recording becomes a transcript with times, and files of it", async ({ page, url }) => {
  await page.goto(`${url}/speech`);
  await model(page, "echo-speech");
  await choose(page, recording(3));
  await page.getByText("speech.wav").waitFor();
  await page.getByLabel("Times of words").check();
  await page.getByRole("button", { name: "Transcribe" }).click();
  await page.getByRole("button", { name: "Save as SRT" }).waitFor();
  const stamps = page.locator(".stamp");
  assert.equal(await stamps.count(), 3);
  await stamps.nth(1).click();
  await page.locator(".segments-list li.current").waitFor();
  assert.ok(await page.locator("audio").evaluate((audio) => audio.currentTime >= 1));
  const saved = async (kind) => {
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: `Save as ${kind}` }).click()]);
    return [download.suggestedFilename(), await readFile(await download.path(), "utf8")];
  };
  const [name, srt] = await saved("SRT");
  assert.equal(name, "speech.srt");
  assert.match(srt, /^1\n00:00:00,000 --> 00:00:0\d,\d{3}\n.+\n\n2\n/);
  assert.match((await saved("VTT"))[1], /^WEBVTT\n\n00:00:00\.000 --> /);
  assert.ok(JSON.parse((await saved("JSON"))[1]).text);
  assert.match(await page.locator(".task-figures").innerText(), /real-time factor/);
  await accessible(page);
});

test("the microphone is recorded and given back", { permissions: ["microphone"] }, async ({ page, url }) => {
  await page.goto(`${url}/speech`);
  await page.getByRole("button", { name: "Record with the microphone" }).click();
  await page.getByRole("meter", { name: "Loudness" }).waitFor();
  await page.waitForTimeout(1500);
  await page.getByRole("button", { name: "Stop recording" }).click();
  await page.getByText(/recording\.(webm|m4a)/).waitFor();
  await page.waitForFunction(() => Number.isFinite(document.querySelector("audio").duration));
  await model(page, "echo-speech");
  await page.getByRole("button", { name: "Transcribe" }).click();
  await page.getByRole("button", { name: "Save as TXT" }).waitFor();
});

test("a picture goes with a message to a model that sees", async ({ page, url, context }) => {
  await openChat(page, url, "echo-vision");
  await page.locator(".composer input[type=file]").setInputFiles(await picture(context, "boat.png"));
  await page.locator(".files .thumb").waitFor();
  await send(page, "What is this?");
  await answered(page);
  const sent = page.locator(".file.picture img");
  await page.waitForFunction(() => document.querySelector(".file.picture img")?.naturalWidth === 600);
  assert.equal(await sent.count(), 1);
  await page.getByRole("link", { name: /boat\.png/ }).waitFor();
});

test("a model without eyes is not given a picture", async ({ page, url, context }) => {
  await openChat(page, url, "echo");
  await page.locator(".composer input[type=file]").setInputFiles(await picture(context, "boat.png"));
  assert.match(await page.getByRole("alert").innerText(), /boat\.png: echo cannot see images/);
});

test("a recording in a chat is written down first", async ({ page, url }) => {
  await openChat(page, url, "echo");
  await page.locator(".composer input[type=file]").setInputFiles(recording(2, "note.wav"));
  await page.locator(".files").getByText("note.wav.txt").waitFor();
  await send(page, "What was said?");
  await answered(page);
  await page.getByRole("link", { name: /note\.wav\.txt/ }).waitFor();
});
