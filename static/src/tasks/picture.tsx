// A picture that a person gave, as the page shows it.

import { signal } from "@preact/signals";
import { m } from "../i18n";
import { bytes } from "../lib/format";
import { Drop } from "./parts";
import { Held } from "./file";

/** What the server takes. */
const MOST = 20 << 20;

export class Picture extends Held {
  /** Why the last one was not taken. */
  readonly refused = signal<string | null>(null);

  /** Gives whether it was taken. */
  accept(file: File): boolean {
    this.refused.value = file.type !== "" && !file.type.startsWith("image/") ? m.tasks.noImage(file.name)
      : file.size > MOST ? m.chat.refusedSize(file.name, bytes(file.size), bytes(MOST))
      : file.size === 0 ? m.chat.refusedEmpty(file.name) : null;
    if (this.refused.value !== null) return false;
    this.take(file);
    return true;
  }
}

export function PictureDrop({ picture, taken, children }: { picture: Picture; taken?: () => void; children?: preact.ComponentChildren }) {
  return (
    <>
      <Drop accept="image/*" label={picture.given.value ? m.tasks.otherImage : m.tasks.chooseImage} hint={m.tasks.dropImage} take={(file) => { if (picture.accept(file)) taken?.(); }}>{children}</Drop>
      {picture.refused.value && <p class="warning" role="alert">{picture.refused.value}</p>}
    </>
  );
}
