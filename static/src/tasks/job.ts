// One piece of work of a task: asked for, waited for, stopped. It lives as long as the page, so that a result is still there
// when one comes back to its tab.

import { type ReadonlySignal, signal } from "@preact/signals";
import { m } from "../i18n";
import { modelOf, refreshModels } from "../server";
import { reason, say } from "../ui/notice";

export class Job {
  private readonly now = signal<AbortController | null>(null);
  private readonly why = signal<string | null>(null);

  get busy(): boolean {
    return this.now.value !== null;
  }

  /** Why the last one failed, as the server says it. */
  get problem(): ReadonlySignal<string | null> {
    return this.why;
  }

  /**
   * Does `work`, and ends what was under way before. While `model` is being loaded for it, the models are asked for: the
   * banner shows how far that is.
   */
  async run(model: string | null, work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    this.stop();
    const controller = new AbortController();
    this.now.value = controller;
    this.why.value = null;
    const timer = model !== null && modelOf(model)?.status.value !== "loaded" ? setInterval(refreshModels, 500) : undefined;
    try {
      await work(controller.signal);
    } catch (error) {
      if (controller.signal.aborted) return;
      this.why.value = reason(error);
      say(m.failed);
    } finally {
      clearInterval(timer);
      if (timer !== undefined) void refreshModels();
      if (this.now.peek() === controller) this.now.value = null;
    }
  }

  /** The server stops its work when nobody listens. */
  stop(): void {
    this.now.peek()?.abort();
    this.now.value = null;
  }

  refuse(text: string): void {
    this.why.value = text;
  }
}
