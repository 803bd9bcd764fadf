// What the parts of the stand-in share.

export const now = () => Date.now();
export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export function id(kind) {
  let text = `${kind}_`;
  for (let i = 0; i < 24; i++) text += "abcdefghijklmnopqrstuvwxyz0123456789"[Math.floor(Math.random() * 36)];
  return text;
}

export function refuse(status, code, message, param = null) {
  throw Object.assign(new Error(message), { status, code, param });
}

export function json(response, status, body) {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

/** The events of an answer or a comparison: kept, so that a page may join late. */
export class Stream {
  constructor() {
    this.frames = [];
    this.listeners = new Set();
    this.stopped = false;
    this.over = false;
    this.ended = new Promise((resolve) => (this.resolve = resolve));
  }
  send(event) {
    this.frames.push(`id: ${this.frames.length + 1}\ndata: ${JSON.stringify(event)}\n\n`);
    for (const listener of this.listeners) listener.write(this.frames.at(-1));
  }
  end() {
    this.over = true;
    for (const listener of this.listeners) listener.end("data: [DONE]\n\n");
    this.resolve();
  }
  join(request, response, after) {
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
    for (const frame of this.frames.slice(after)) response.write(frame);
    if (this.over) return void response.end("data: [DONE]\n\n");
    this.listeners.add(response);
    response.on("close", () => this.listeners.delete(response));
  }
}
