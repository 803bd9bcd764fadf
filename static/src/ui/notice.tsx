// What is told to the person: a short notice that goes by itself, and sentences for screen readers.

import { signal } from "@preact/signals";
import { X } from "lucide";
import { ApiFailure, Unreachable } from "../api";
import { m } from "../i18n";
import { IconButton } from "./button";

interface Notice {
  text: string;
  bad: boolean;
  key: number;
}

const notices = signal<Notice[]>([]);
const spoken = signal("");
let key = 0;

export function tell(text: string, bad = false): void {
  const notice = { text, bad, key: key++ };
  notices.value = [...notices.value.slice(-2), notice];
  setTimeout(() => dismiss(notice), bad ? 10_000 : 4000);
}

function dismiss(notice: Notice): void {
  notices.value = notices.value.filter((n) => n.key !== notice.key);
}

/** Says a sentence to screen readers when they have time. */
export function say(text: string): void {
  spoken.value = text;
}

export function reason(error: unknown): string {
  if (error instanceof Unreachable) return m.unreachable;
  if (error instanceof ApiFailure) return error.message;
  return error instanceof Error && error.message ? error.message : m.failed;
}

/** Runs an action of the person; what goes wrong becomes a notice. Gives whether it went well. */
export async function attempt(action: () => Promise<unknown>): Promise<boolean> {
  try {
    await action();
    return true;
  } catch (error) {
    if ((error as Error).name !== "AbortError") tell(reason(error), true);
    return false;
  }
}

export function Notices() {
  return (
    <>
      <div class="notices">
        {notices.value.map((notice) => (
          <div key={notice.key} class={`notice ${notice.bad ? "bad" : ""}`} role={notice.bad ? "alert" : "status"}>
            <span>{notice.text}</span>
            <IconButton icon={X} label={m.close} size={16} onClick={() => dismiss(notice)} />
          </div>
        ))}
      </div>
      <div class="unseen" role="status" aria-live="polite">{spoken}</div>
    </>
  );
}
