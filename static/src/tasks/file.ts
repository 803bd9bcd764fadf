// The file that a task works on, with an address under which the page can show or play it.

import { type Signal, signal } from "@preact/signals";

export interface Given {
  file: File;
  /** `blob:`; valid until another file takes its place. */
  address: string;
}

/** A place for one file. */
export class Held {
  readonly given: Signal<Given | null> = signal(null);

  take(file: File): void {
    const before = this.given.peek();
    this.given.value = { file, address: URL.createObjectURL(file) };
    if (before) URL.revokeObjectURL(before.address);
  }
}

/** A form with a file; fields that are `null` are left out, lists are repeated. */
export function form(file: File, fields: Record<string, string | boolean | readonly string[] | null>): FormData {
  const data = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    if (value === null) continue;
    for (const one of Array.isArray(value) ? (value as string[]) : [String(value)]) data.append(name, one);
  }
  data.append("file", file, file.name);
  return data;
}

/** Hands a text to the person as a file. */
export function download(name: string, type: string, text: string): void {
  const address = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
