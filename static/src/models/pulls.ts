// Downloads under way. They live as long as the page: closing it stops them, and the server goes on where it was.

import { signal } from "@preact/signals";
import { type PullEvent, request } from "../api";
import { m } from "../i18n";
import { frames } from "../lib/events";
import { refreshCatalog, refreshModels } from "../server";
import { reason, say, tell } from "../ui/notice";

export interface Pull {
  event: PullEvent | null;
  /** Bytes a second, over the last seconds. */
  speed: number | null;
  stop: () => void;
}

export const pulls = signal<ReadonlyMap<string, Pull>>(new Map());

function set(name: string, pull: Pull | null): void {
  const next = new Map(pulls.peek());
  if (pull) next.set(name, pull);
  else next.delete(name);
  pulls.value = next;
}

export async function pull(name: string): Promise<void> {
  if (pulls.peek().has(name)) return;
  const controller = new AbortController();
  const stop = () => controller.abort();
  const seen: [number, number][] = [];
  set(name, { event: null, speed: null, stop });
  try {
    const response = await request("POST", "/api/models/pull", { model: name }, controller.signal);
    for await (const frame of frames(response)) {
      if (frame.data === "[DONE]") break;
      const event = JSON.parse(frame.data) as PullEvent;
      if (event.error) throw new Error(event.error.message);
      seen.push([performance.now(), event.bytes_done]);
      while (seen.length > 2 && seen.at(-1)![0] - seen[0]![0] > 5000) seen.shift();
      const [[from, before], [to, after]] = [seen[0]!, seen.at(-1)!];
      set(name, { event, speed: to > from ? ((after - before) * 1000) / (to - from) : null, stop });
      if (event.status === "done") {
        tell(m.models.pulled(event.model ?? name));
        say(m.models.pulled(event.model ?? name));
      }
    }
  } catch (error) {
    if (!controller.signal.aborted) tell(reason(error), true);
  } finally {
    set(name, null);
    void refreshModels();
    void refreshCatalog();
  }
}
