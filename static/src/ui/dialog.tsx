// Dialogs, one at a time: `show(...)` from anywhere.

import { signal } from "@preact/signals";
import { X } from "lucide";
import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { m } from "../i18n";
import { IconButton } from "./button";

interface Shown {
  title: string;
  body: (close: () => void) => ComponentChildren;
  class?: string | undefined;
  closed?: (() => void) | undefined;
}

const shown = signal<Shown | null>(null);
/** Asks the page: a dialog that was just closed tells so only a moment later, and the next key would be lost. */
export const dialogOpen = () => document.querySelector("dialog[open]") !== null;

export function show(dialog: Shown): void {
  shown.value = dialog;
}

/** Asks before something that cannot be undone. */
export function confirmed(title: string, text: string, action: string): Promise<boolean> {
  return new Promise((resolve) => {
    let answer = false;
    show({
      title,
      class: "small",
      closed: () => resolve(answer),
      body: (close) => (
        <>
          <p>{text}</p>
          <div class="dialog-actions">
            <button type="button" class="button" onClick={close}>{m.cancel}</button>
            <button type="button" class="button danger" autofocus onClick={() => { answer = true; close(); }}>{action}</button>
          </div>
        </>
      ),
    });
  });
}

/** Asks for a line of text; `null` if the person changed their mind. */
export function asked(title: string, value: string, hint?: string): Promise<string | null> {
  return new Promise((resolve) => {
    let answer: string | null = null;
    show({
      title,
      class: "small",
      closed: () => resolve(answer),
      body: (close) => (
        <form onSubmit={(event) => {
          event.preventDefault();
          answer = (event.currentTarget as HTMLFormElement).querySelector("input")!.value;
          close();
        }}>
          <label class="field">
            <span>{hint ?? title}</span>
            <input type="text" autofocus value={value} maxLength={300} dir="auto" />
          </label>
          <div class="dialog-actions">
            <button type="button" class="button" onClick={close}>{m.cancel}</button>
            <button type="submit" class="button primary">{m.save}</button>
          </div>
        </form>
      ),
    });
  });
}

export function DialogHost() {
  const element = useRef<HTMLDialogElement>(null);
  const dialog = shown.value;
  useLayoutEffect(() => {
    if (!dialog) return;
    element.current!.showModal();
    element.current!.querySelector<HTMLInputElement>("input[autofocus]")?.select();
  }, [dialog]);
  if (!dialog) return null;
  const close = () => element.current?.close();
  const closed = () => {
    shown.value = null;
    dialog.closed?.();
  };
  // A press on the backdrop lands on the dialog itself.
  const outside = (event: MouseEvent) => event.target === element.current && close();
  return (
    <dialog ref={element} class={dialog.class ?? ""} aria-labelledby="dialog-title" onClose={closed} onMouseDown={outside}>
      <header>
        <h2 id="dialog-title">{dialog.title}</h2>
        <IconButton icon={X} label={m.close} onClick={close} />
      </header>
      <div class="dialog-body">{dialog.body(close)}</div>
    </dialog>
  );
}
