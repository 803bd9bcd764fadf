// Text that wants to do harm, and text that is merely strange.

import assert from "node:assert/strict";
import { answered, exported, imported, input, openChat, send, test } from "./harness.mjs";

const HOSTILE = `<script>window.hacked = 1</script><img src=x onerror="window.hacked = 2"> [click](javascript:window.hacked=3)

![tracker](https://evil.invalid/pixel.png) <iframe src="https://evil.invalid"></iframe> [data](data:text/html,<script>window.hacked=4</script>)

<a href="x" onclick="window.hacked=5">raw</a> <style>body{display:none}</style> <svg onload="window.hacked=6">

$\\href{javascript:window.hacked=7}{x}$ $\\includegraphics{https://evil.invalid/x.png}$ $\\htmlStyle{position:fixed}{y}$

\`\`\`"><img src=x onerror=window.hacked=8>
code
\`\`\``;

test("hostile Markdown does nothing", async ({ page, url }) => {
  const id = await imported(url, exported("Hostile <script>window.hacked = 9</script>", 1, HOSTILE));
  await page.goto(`${url}/chat/${id}`);
  await page.locator(".markdown > *").first().waitFor();
  await page.waitForTimeout(700);
  for (const link of await page.locator(".markdown a").all()) {
    const address = await link.getAttribute("href");
    assert.match(address ?? "", /^(https?:|mailto:|\/|#|$)/);
    assert.match((await link.getAttribute("rel")) ?? "", /noopener/);
  }
  assert.equal(await page.evaluate(() => window.hacked), undefined);
  assert.equal(await page.locator(".markdown :is(script, img, iframe, style, svg[onload], form, object)").count(), 0);
  assert.equal(await page.evaluate(() => [...document.querySelectorAll(".markdown *")].some((e) => [...e.attributes].some((a) => a.name.startsWith("on")))), false);
  assert.equal(await page.locator("body").isVisible(), true);
  await page.keyboard.press("Control+k");
  await page.keyboard.type("hacked");
  await page.locator(".hit").first().waitFor();
  assert.equal(await page.evaluate(() => window.hacked), undefined);
});

test("a megabyte is taken, folded, and does not hold the page up", async ({ page, url }) => {
  await openChat(page, url, "echo");
  const text = "lorem ipsum ".repeat(90_000);
  const id = await imported(url, exported("Large", 1, text));
  const begun = Date.now();
  await page.goto(`${url}/chat/${id}`);
  await page.locator(".message.assistant .markdown > *").waitFor();
  assert.ok(Date.now() - begun < 5000, `${Date.now() - begun} ms`);
  // Longer than the context: refused with the numbers, nothing typed is lost.
  await page.goto(url);
  await input(page).fill(text);
  await page.getByText("The server would refuse it").waitFor();
});

test("right-to-left and emoji text keeps its direction", async ({ page, url }) => {
  await openChat(page, url, "echo");
  await send(page, "مرحبا بالعالم 👩‍👩‍👧‍👦🏴󠁧󠁢󠁥󠁮󠁧󠁿");
  const text = await answered(page);
  assert.match(text, /مرحبا بالعالم/);
  const direction = await page.locator(".message.assistant .markdown").evaluate((element) => getComputedStyle(element).direction);
  assert.equal(direction, "rtl");
});
