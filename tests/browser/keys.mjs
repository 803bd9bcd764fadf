// A server that wants a key.

import assert from "node:assert/strict";
import { answered, atTemperatureZero, input, send, test } from "./harness.mjs";
import { startServer } from "./server.mjs";

if (!process.env.MOCK && !process.env.TERN_URL) {
  // The browser itself tells of every 401.
  test("the page asks for the key once, and chats with it from then on", { quiet: false }, async ({ page }) => {
    const server = await startServer(["--echo"], undefined, { TERN_API_KEY: "tern-secret-key" });
    try {
      await atTemperatureZero(page);
      await page.goto(server.url);
      const asked = page.locator(".banner.key");
      await asked.getByText("This server wants a key").waitFor();
      await asked.locator("input").fill("tern-wrong-key");
      await asked.getByRole("button").click();
      await asked.getByText("does not know this key").waitFor();
      await asked.locator("input").fill("tern-secret-key");
      await asked.getByRole("button").click();
      await asked.waitFor({ state: "detached" });
      await page.evaluate(() => localStorage.setItem("tern.model", "echo"));
      await page.reload();
      await input(page).waitFor();
      await send(page, "let me in");
      assert.match(await answered(page), /let me in/);
      assert.equal(await asked.count(), 0);
      // What the browser fetches itself, it may fetch too.
      const status = await page.evaluate(() => fetch("/api/conversations/export?format=json").then((answer) => answer.status));
      assert.equal(status, 200);
    } finally {
      server.stop();
    }
  });
}
