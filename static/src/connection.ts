// Whether the server answers. While it does not, it is asked again, more and more seldom.

import { signal } from "@preact/signals";

export const away = signal(false);
/** Seconds until the next try; 0 while trying. */
export const nextTry = signal(0);

const returned: (() => void)[] = [];
let pause = 1;
let timer: ReturnType<typeof setTimeout> | undefined;

/** Calls `action` each time the server is back. */
export function whenBack(action: () => void): void {
  returned.push(action);
}

export function connectionWorks(): void {
  if (!away.peek()) return;
  clearTimeout(timer);
  away.value = false;
  pause = 1;
  readAgain();
}

/** Reads everything again: the server is back, or lets this page in. */
export function readAgain(): void {
  for (const action of returned) action();
}

export function connectionFailed(): void {
  if (away.peek()) return;
  away.value = true;
  wait();
}

function wait(): void {
  nextTry.value = pause;
  const tick = () => {
    if (nextTry.value > 1) {
      nextTry.value -= 1;
      timer = setTimeout(tick, 1000);
    } else void tryNow();
  };
  timer = setTimeout(tick, 1000);
  pause = Math.min(pause * 2, 30);
}

export async function tryNow(): Promise<void> {
  clearTimeout(timer);
  nextTry.value = 0;
  try {
    const response = await fetch("/health", { cache: "no-store" });
    if (!response.ok) throw new Error();
    connectionWorks();
  } catch {
    wait();
  }
}
