// A disk that takes nothing any more, and then does again.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { answered, openChat, send, test } from "./harness.mjs";
import { startServer } from "./server.mjs";

/** The largest file that a process may write: with 0 every write of the store fails, as on a disk without room. */
const limit = (pid, bytes) => assert.equal(spawnSync("prlimit", ["--pid", String(pid), `--fsize=${bytes}:unlimited`]).status, 0);
const canLimit = !process.env.MOCK && !process.env.TERN_URL && spawnSync("prlimit", ["--version"]).status === 0;

if (canLimit) {
  test("a full disk is told, the chat goes on, and all is there when there is room again", async ({ page }) => {
    const server = await startServer(["--echo"]);
    try {
      await openChat(page, server.url, "echo");
      await send(page, "before");
      await answered(page);
      await page.locator(".side").getByText("Saved on this computer").waitFor();
      limit(server.pid, 0);
      await send(page, "while it is full");
      assert.match(await answered(page, 2), /while it is full/);
      const banner = page.locator(".banner.bad");
      await banner.waitFor();
      assert.match(await banner.innerText(), /Not being saved: .+ The chat goes on/);
      await page.locator(".side").getByText("Not being saved").waitFor();
      // A comparison, too.
      await fetch(`${server.url}/api/compare`, { method: "POST", body: JSON.stringify({ title: "kept in memory", prompt: "x", columns: [{ model: "echo" }], warmup: false }) }).then((answer) => answer.text());
      // What is not on the disk is still here.
      await page.reload();
      await page.locator(".message.user").getByText("while it is full").waitFor();
      await banner.waitFor();
      limit(server.pid, "unlimited");
      await banner.waitFor({ state: "detached", timeout: 25_000 });
      const address = new URL(page.url()).pathname;
      await server.kill();
      const again = await startServer(["--echo"], server.data);
      try {
        await page.goto(again.url + address);
        await page.locator(".message.user").getByText("while it is full").waitFor();
        await page.goto(`${again.url}/compare`);
        await page.locator(".side-list").getByText("kept in memory").waitFor();
      } finally {
        again.stop();
      }
    } finally {
      server.stop();
    }
  });
}
