// The real server on a free port with a data directory of its own.

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const binary = process.env.TERN ?? fileURLToPath(new URL("../../target/release/tern", import.meta.url));

/** Starts it with more arguments, over a data directory and with an environment; `MOCK=1` takes the stand-in of static/dev instead. */
export async function startServer(more = [], data = mkdtempSync(join(tmpdir(), "tern-browser-")), env = {}) {
  // One that runs already.
  if (process.env.TERN_URL) return { url: process.env.TERN_URL, data: null, log: () => "", kill: async () => {}, stop() {} };
  const mock = fileURLToPath(new URL("../../static/dev/mock.mjs", import.meta.url));
  const [command, args] = process.env.MOCK
    ? [process.execPath, [mock, "0"]]
    : [binary, ["serve", "--host", "127.0.0.1", "--port", "0", "--data-dir", data, ...more]];
  // A write beyond the largest file that is allowed is then an error, and not the end of the process; see disks.mjs.
  const deaf = ["-c", 'trap "" XFSZ; exec "$0" "$@"', command, ...args];
  const child = spawn("/bin/sh", deaf, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...env } });
  let log = "";
  const url = await new Promise((resolve, reject) => {
    const read = (piece) => {
      log += piece;
      const found = /address\s+(http:\/\/\S+:\d+)/.exec(log);
      if (found) resolve(found[1]);
    };
    child.stdout.on("data", read);
    child.stderr.on("data", read);
    child.on("error", reject);
    child.on("exit", (code) => reject(new Error(`the server ended with ${code}:\n${log}`)));
    setTimeout(() => reject(new Error(`the server does not start:\n${log}`)), 30_000).unref();
  });
  return {
    url,
    data,
    pid: child.pid,
    log: () => log,
    /** Ends it at once, as a crash would. */
    kill: () => new Promise((resolve) => { child.on("exit", resolve); child.kill("SIGKILL"); }),
    stop() {
      child.removeAllListeners("exit");
      child.kill("SIGKILL");
      rmSync(data, { recursive: true, force: true });
    },
  };
}
