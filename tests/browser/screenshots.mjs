// Pictures of the main views for README, at 1440 and 390 px, light and dark, into docs/screenshots.
// Usage: node screenshots.mjs URL [only-this-view]

import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { launch } from "./browser.mjs";
import { startServer } from "./server.mjs";

const out = process.env.OUT ?? fileURLToPath(new URL("../../docs/screenshots", import.meta.url));
const only = process.env.ONLY;
mkdirSync(out, { recursive: true });

const server = await startServer([]);
const browser = await launch();

const views = {
  async empty(page) {
    await page.goto(server.url);
    await page.waitForSelector(".examples");
  },
  async chat(page) {
    await page.goto(server.url);
    const first = page.locator(".side-list a.entry").first();
    await first.waitFor({ state: "attached" });
    await page.goto(server.url + (await first.getAttribute("href")));
    await page.waitForSelector(".markdown > *");
    await page.waitForTimeout(900);
  },
  async settings(page) {
    await views.chat(page);
    await page.getByRole("button", { name: "Settings of this chat" }).click();
  },
  async side(page, width) {
    if (width > 900) return false;
    await views.chat(page);
    await page.getByRole("button", { name: "Open the side bar" }).click();
  },
  async picker(page) {
    await views.chat(page);
    await page.locator(".pick").first().click();
  },
  async setup(page) {
    await page.goto(`${server.url}/compare`);
    await page.waitForSelector(".compare-setup");
    await page.waitForTimeout(400);
  },
  async compare(page) {
    await page.goto(`${server.url}/compare`);
    const link = page.locator(".side-list a.entry").first();
    await link.waitFor({ state: "attached" });
    await page.goto(server.url + (await link.getAttribute("href")));
    await page.waitForSelector(".cell");
    await page.waitForTimeout(900);
  },
  async figures(page) {
    await views.compare(page);
    await page.locator(".figure-table").first().scrollIntoViewIfNeeded();
    await page.locator(".compare-page").evaluate((element) => (element.scrollTop = element.querySelector(".votes").offsetTop - 120));
  },
  async models(page) {
    await page.goto(`${server.url}/models`);
    await page.waitForSelector(".model-row");
    await page.waitForTimeout(400);
  },
};

for (const width of [1440, 390]) {
  for (const colorScheme of ["light", "dark"]) {
    const context = await browser.newContext({ viewport: { width, height: width === 390 ? 844 : 900 }, colorScheme, reducedMotion: "reduce", hasTouch: width === 390 });
    const page = await context.newPage();
    page.on("console", (message) => ["error", "warning"].includes(message.type()) && console.log("console:", message.text()));
    page.on("pageerror", (error) => console.log("error:", error));
    for (const [name, view] of Object.entries(views)) {
      if (only && !only.split(",").includes(name)) continue;
      try {
        if ((await view(page, width)) === false) continue;
        await page.waitForTimeout(250);
        await page.screenshot({ path: `${out}/${name}-${width}-${colorScheme}.png` });
      } catch (error) {
        console.log(`${name} ${width} ${colorScheme}: ${error.message.split("\n")[0]}`);
        process.exitCode = 1;
      }
    }
    await context.close();
  }
}
await browser.close();
server.stop();
