// Widths, themes, keyboard, accessibility.

import assert from "node:assert/strict";
import { AxeBuilder } from "./browser.mjs";
import { answered, exported, imported, input, openChat, send, test } from "./harness.mjs";

const noSideways = (page) => page.evaluate(() => document.documentElement.scrollWidth - innerWidth);

test("a phone has the side bar behind a button, and it closes on a choice", { viewport: { width: 390, height: 844 }, hasTouch: true }, async ({ page, url }) => {
  await imported(url, exported("On the phone", 1));
  await page.goto(url);
  const side = page.locator("#side");
  await input(page).waitFor();
  assert.equal(await side.evaluate((element) => element.inert), true);
  await page.getByRole("button", { name: "Open the side bar" }).click();
  await page.waitForTimeout(400);
  const box = await side.boundingBox();
  assert.ok(box.x === 0 && box.width <= 320 && box.width <= 390 * 0.8 + 1, JSON.stringify(box));
  await page.locator(".side-list").getByText("On the phone").first().click();
  await page.waitForURL(/\/chat\/conv_/);
  await page.waitForTimeout(400);
  assert.equal(await side.evaluate((element) => element.inert), true);
  await page.getByRole("button", { name: "Open the side bar" }).click();
  await page.waitForTimeout(400);
  await page.locator(".side-backdrop").click({ position: { x: 370, y: 400 } });
  assert.equal(await side.evaluate((element) => element.inert), true);
});

for (const width of [360, 720]) {
  test(`nothing is cut off at ${width} px`, { viewport: { width, height: 700 } }, async ({ page, url }) => {
    const id = await imported(url, exported("Narrow", 1, "| a | b | c | d | e | f |\n|---|---|---|---|---|---|\n| long text | long text | long text | long text | long text | long text |\n\n```\n" + "x".repeat(300) + "\n```\n\n" + "y".repeat(300)));
    for (const path of ["/", `/chat/${id}`, "/compare", "/entities", "/ocr", "/vision", "/speech", "/models"]) {
      await page.goto(url + path);
      await page.locator("main").waitFor();
      await page.waitForTimeout(300);
      assert.ok((await noSideways(page)) <= 0, `${path} scrolls sideways`);
    }
  });
}

test("the dark theme is there before the first paint, and is chosen", { colorScheme: "dark" }, async ({ page, url }) => {
  await page.goto(url, { waitUntil: "commit" });
  await page.waitForFunction(() => document.documentElement.dataset.theme === "dark");
  const button = page.getByRole("button", { name: /^Theme/ });
  await button.click();
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), "light");
  await page.reload();
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), "light");
  const ground = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  assert.match(ground, /25[0-5]/);
});

test("everything important goes by keyboard alone", async ({ page, url }) => {
  await openChat(page, url, "echo");
  await page.keyboard.press("Shift+Escape");
  await page.keyboard.type("typed without a mouse");
  await page.keyboard.press("Enter");
  await answered(page);
  await page.keyboard.press("Control+/");
  await page.getByRole("dialog").getByText("Search conversations").waitFor();
  await page.keyboard.press("Escape");
  await page.keyboard.press("Control+b");
  assert.equal(await page.locator("#side").evaluate((element) => element.inert), true);
  await page.keyboard.press("Control+b");
  await page.keyboard.press("Shift+Escape");
  assert.equal(await page.evaluate(() => document.activeElement.id), "message");
  await page.keyboard.press("Control+Shift+O");
  await page.waitForURL((address) => address.pathname === "/");
  // Everything that takes the focus shows it.
  await page.evaluate(() => document.activeElement.blur());
  for (let i = 0; i < 25; i++) {
    await page.keyboard.press("Tab");
    const seen = await page.evaluate(() => {
      const element = document.activeElement;
      if (element === document.body) return true;
      const style = getComputedStyle(element);
      const outer = element.closest(".composer-box") ? getComputedStyle(element.closest(".composer-box")) : style;
      return style.outlineStyle !== "none" || outer.borderColor !== getComputedStyle(document.body).borderColor;
    });
    assert.ok(seen);
  }
  // A menu is opened, walked and closed.
  await page.getByRole("button", { name: "Actions for all conversations" }).focus();
  await page.keyboard.press("Enter");
  await page.getByRole("menu").waitFor();
  await page.keyboard.press("ArrowDown");
  assert.equal(await page.evaluate(() => document.activeElement.getAttribute("role")), "menuitem");
  await page.keyboard.press("Escape");
  assert.match(await page.evaluate(() => document.activeElement.getAttribute("aria-label") ?? ""), /all conversations/);
});

test("a screen reader hears of an answer once, not of every word", async ({ page, url }) => {
  await openChat(page, url, "echo-pieces");
  await send(page, "hello");
  await answered(page);
  const log = page.getByRole("log");
  assert.equal(await log.getAttribute("aria-live"), "off");
  assert.match(await page.locator(".unseen[role=status]").innerText(), /Answer from echo-pieces finished, \d+ words/);
});

for (const [colorScheme, width] of [["light", 1280], ["dark", 390]]) {
  test(`axe finds nothing serious: ${colorScheme}, ${width} px`, { colorScheme, viewport: { width, height: 844 }, reducedMotion: "reduce" }, async ({ page, url }) => {
    const id = await imported(url, exported("Looked at", 2, "# Title\n\nText with `code` and [a link](https://example.org).\n\n```python\nprint(1) # comment\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |"));
    const check = async (what) => {
      await page.waitForTimeout(350);
      const { violations } = await new AxeBuilder({ page }).analyze();
      const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
      assert.deepEqual(serious.map((one) => `${what}: ${one.id}: ${one.nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(" | ")}`), []);
    };
    await page.goto(url);
    await input(page).waitFor();
    await check("empty");
    await page.goto(`${url}/chat/${id}`);
    await page.locator(".hljs-comment").first().waitFor();
    await check("chat");
    await page.getByRole("button", { name: "Settings of this chat" }).click();
    await check("settings");
    await page.goto(`${url}/compare`);
    await page.locator(".setup-column").first().waitFor();
    await check("setup");
    const last = (await (await fetch(`${url}/api/compare?limit=1`)).json()).data[0];
    if (last) {
      await page.goto(`${url}/compare/${last.id}`);
      await page.locator(".cell").first().waitFor();
      await check("comparison");
    }
    await page.goto(`${url}/models`);
    await page.locator(".model-row").first().waitFor();
    await check("models");
    for (const task of ["entities", "ocr", "vision", "speech"]) {
      await page.goto(`${url}/${task}`);
      await page.locator(".task-page h1").waitFor();
      await check(task);
    }
  });
}

test("keys are changed, kept, refused where they are taken, and reset", async ({ page, url }) => {
  await page.goto(url);
  await input(page).waitFor();
  const side = () => page.locator("#side").evaluate((element) => element.inert);
  await page.keyboard.press("Control+/");
  const dialog = page.getByRole("dialog");
  const button = dialog.getByRole("button", { name: /^Side bar/ });
  await button.click();
  await page.keyboard.press("Control+k");
  await dialog.getByText("Ctrl+K is taken: Search conversations.").waitFor();
  await page.keyboard.press("s");
  await dialog.getByText(/needed for typing/).waitFor();
  await page.keyboard.press("Alt+s");
  assert.equal((await button.innerText()).replace(/\s+/g, "+"), "Alt+S");
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  await page.keyboard.press("Control+b");
  assert.equal(await side(), false, "the usual keys do nothing any more");
  await page.reload();
  await input(page).waitFor();
  await page.keyboard.press("Alt+s");
  assert.equal(await side(), true);
  assert.match(await page.locator("[aria-controls=side]").getAttribute("title"), /\(Alt\+S\)/);
  await page.keyboard.press("Control+/");
  await dialog.getByRole("button", { name: "Back to the usual keys" }).click();
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  await page.keyboard.press("Control+b");
  assert.equal(await side(), false);
});
