// A hub on loopback with one file, which it hands out as far as it is told to.

import { createHash } from "node:crypto";
import { createServer } from "node:http";

const COMMIT = "0123456789abcdef0123456789abcdef01234567";

/** Serves `bytes` as `org/name:NAME`. Of each download the first `held` bytes come at once and the rest after `release`. */
export async function startHub(name, bytes, held) {
  const etag = `"${createHash("sha256").update(bytes).digest("hex")}"`;
  let release;
  const released = new Promise((resolve) => (release = resolve));
  const ranges = [];
  const server = createServer(async (request, response) => {
    if (!new RegExp(`^/org/name/resolve/[^/]+/${name}$`).test(request.url)) return response.writeHead(404).end();
    const headers = { etag, "x-repo-commit": COMMIT, "x-linked-etag": etag, "x-linked-size": bytes.length, "accept-ranges": "bytes" };
    if (request.method === "HEAD") return response.writeHead(200, { ...headers, "content-length": bytes.length }).end();
    const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "");
    const from = range ? Number(range[1]) : 0;
    const to = range?.[2] ? Math.min(Number(range[2]) + 1, bytes.length) : bytes.length;
    const part = range ? { "content-range": `bytes ${from}-${to - 1}/${bytes.length}` } : {};
    ranges.push(from);
    response.writeHead(range ? 206 : 200, { ...headers, ...part, "content-length": to - from });
    const now = Math.max(from, Math.min(held, to));
    response.write(bytes.subarray(from, now));
    if (now < to) {
      await released;
      response.write(bytes.subarray(now, to));
    }
    response.end();
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    /** Where each download began. */
    ranges,
    release,
    stop() {
      release();
      server.closeAllConnections();
      server.close();
    },
  };
}
