// The side bar: search, rename, pin, tag, archive, delete, export, import; other tabs, stale links, a server that is away.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { answered, exported, imported, input, openChat, send, test } from "./harness.mjs";

const entry = (page, title) => page.locator(".side-list li").filter({ hasText: title }).first();

async function menu(page, title, item) {
  await entry(page, title).hover();
  await entry(page, title).getByRole("button").click();
  await page.getByRole("menuitem", { name: item }).first().click();
}

test("a word finds its conversation", async ({ page, url }) => {
  await openChat(page, url, "echo");
  await send(page, "the heliotrope grows by the shed");
  await answered(page);
  await page.goto(url);
  // As soon as there is a field to search in: the message does not take the focus back.
  await page.locator("input[type=search]").first().waitFor();
  await page.keyboard.press("Control+k");
  await page.locator("input[type=search]:focus, .search input:focus").first().waitFor();
  await page.keyboard.type("heliotrope");
  const hit = page.locator(".hit").first();
  await hit.locator("mark").first().waitFor();
  assert.equal((await hit.locator("mark").first().innerText()).toLowerCase(), "heliotrope");
  await hit.click();
  await page.waitForURL(/\/chat\/conv_/);
  await page.locator(".message.user").getByText("heliotrope").waitFor();
  await page.keyboard.press("Control+k");
  await page.keyboard.press("Escape");
  await page.locator(".side-list h2").first().waitFor();
});

test("conversations are renamed, pinned, tagged, archived and deleted", async ({ page, url }) => {
  await imported(url, exported("To be changed", 1));
  await page.goto(url);
  await menu(page, "To be changed", "Rename");
  await page.locator(".rename:focus").waitFor();
  await page.keyboard.type("Changed <b>now</b>");
  await page.keyboard.press("Enter");
  await entry(page, "Changed <b>now</b>").waitFor();
  await menu(page, "Changed", "Pin");
  await page.locator(".side-list section").filter({ hasText: "Pinned" }).getByText("Changed").waitFor();
  await menu(page, "Changed", "Tags");
  await page.getByRole("dialog").getByRole("textbox").fill("bird, sea");
  await page.keyboard.press("Enter");
  await page.locator(".tag-filter").getByText("bird").click();
  await page.waitForFunction(() => document.querySelectorAll(".side-list section li").length === 1);
  await page.getByRole("button", { name: "Back to all" }).click();
  await menu(page, "Changed", "Archive");
  await page.waitForFunction(() => !document.querySelector(".side-list")?.textContent.includes("Changed"));
  await page.getByRole("button", { name: "Actions for all conversations" }).click();
  await page.getByRole("menuitem", { name: "Show archived ones" }).click();
  await menu(page, "Changed", "Delete");
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await page.getByText("Nothing is archived.").waitFor();
});

test("several are deleted at once", async ({ page, url }) => {
  for (const title of ["Bulk one", "Bulk two"]) await imported(url, exported(title, 1));
  await page.goto(url);
  await entry(page, "Bulk one").waitFor();
  await page.getByRole("button", { name: "Actions for all conversations" }).click();
  await page.getByRole("menuitem", { name: "Select several" }).click();
  await page.getByRole("checkbox", { name: "Bulk one" }).check();
  await page.getByRole("checkbox", { name: "Bulk two" }).check();
  await page.locator(".selection-bar").getByRole("button", { name: "Delete" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await page.getByText("2 conversations deleted").waitFor();
  assert.equal(await page.locator(".side-list").getByText("Bulk").count(), 0);
});

test("an export is imported again", async ({ page, url }) => {
  await imported(url, exported("Round trip", 2, "A *round* answer"));
  await page.goto(url);
  const waiting = page.waitForEvent("download");
  await menu(page, "Round trip", "Export as JSON");
  const path = await (await waiting).path();
  assert.match(readFileSync(path, "utf8"), /A \*round\* answer/);
  await menu(page, "Round trip", "Delete");
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await page.getByText("1 conversation deleted").waitFor();
  await page.locator(".side-top input[type=file]").setInputFiles({ name: "export.json", mimeType: "application/json", buffer: readFileSync(path) });
  await page.waitForURL(/\/chat\/conv_/);
  await page.locator(".markdown em").getByText("round").first().waitFor();
  assert.equal(await page.locator(".message").count(), 4);
});

test("a file that is not what it says is refused with the reason", { quiet: false }, async ({ page, url }) => {
  await page.goto(url);
  await page.locator(".side-top").waitFor();
  for (const text of ["{not json", '{"a": 1}', "\u0000\u0001"]) {
    const file = join(tmpdir(), "tern-bad-import.json");
    writeFileSync(file, text);
    await page.locator(".side-top input[type=file]").setInputFiles(file);
    await page.locator(".notice.bad").first().waitFor();
    await page.locator(".notice.bad button").first().click();
  }
});

test("a stale link and a deletion in another tab are told", { quiet: false }, async ({ page, context, url }) => {
  await page.goto(`${url}/chat/conv_000000000000000000000000`);
  await page.getByText("not there any more").waitFor();
  const id = await imported(url, exported("Shared", 1));
  await page.goto(`${url}/chat/${id}`);
  await page.locator(".message").first().waitFor();
  const other = await context.newPage();
  await other.goto(url);
  await menu(other, "Shared", "Delete");
  await other.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await page.getByText("not there any more").waitFor();
  await page.getByRole("button", { name: "Start a new chat" }).click();
  await input(page).waitFor();
});

test("two tabs write to one conversation and both see all of it", async ({ page, context, url }) => {
  const id = await imported(url, exported("Two tabs", 1));
  const other = await context.newPage();
  for (const one of [page, other]) {
    await one.goto(`${url}/chat/${id}`);
    await one.locator(".message").first().waitFor();
    await one.locator(".pick").first().click();
    await one.getByRole("option").filter({ has: one.locator(".model-id").getByText("echo", { exact: true }) }).click();
  }
  await send(page, "from the first tab");
  await answered(page, 2);
  await send(other, "from the second tab");
  await answered(other, 2);
  await page.reload();
  await page.locator(".message").first().waitFor();
  const text = await (await fetch(`${url}/api/conversations/${id}`)).text();
  assert.match(text, /from the first tab/);
  assert.match(text, /from the second tab/);
});

test("while the server is away history stays readable and a banner says so", { quiet: false }, async ({ page, context, url }) => {
  const id = await imported(url, exported("Readable", 1, "still readable"));
  await page.goto(`${url}/chat/${id}`);
  await page.getByText("still readable").waitFor();
  await context.setOffline(true);
  await send(page, "this cannot be sent");
  await page.locator(".banner.bad").waitFor();
  await page.getByText("still readable").waitFor();
  assert.equal(await input(page).inputValue(), "this cannot be sent");
  await context.setOffline(false);
  await page.locator(".banner").getByRole("button", { name: "Retry" }).click();
  await page.locator(".banner.bad").waitFor({ state: "detached" });
});
