// What the pages of tasks are made of.

import { useSignal } from "@preact/signals";
import { Copy, Upload } from "lucide";
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { m } from "../i18n";
import { Icon } from "../ui/icon";
import { attempt, tell } from "../ui/notice";
import "../styles/tasks.css";
import type { Job } from "./job";

/** `wide`: two columns need the room. */
export function TaskPage({ title, intro, wide, children }: { title: string; intro: string; wide?: boolean; children: ComponentChildren }) {
  useEffect(() => {
    document.title = `${title} – ${m.name}`;
  }, [title]);
  return (
    <div class={`task-page ${wide ? "wide" : ""}`}>
      <header class="page-head"><h1>{title}</h1><p>{intro}</p></header>
      {children}
    </div>
  );
}

/** The button that begins and, while it lasts, the one that ends it. `keys` may be pressed anywhere on the page. */
export function RunButton({ job, label, act, disabled }: { job: Job; label: string; act: () => void; disabled: boolean }) {
  const latest = useRef(act);
  latest.current = () => { if (!disabled && !job.busy) act(); };
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.isComposing) return;
      event.preventDefault();
      latest.current();
    };
    addEventListener("keydown", onKeyDown);
    return () => removeEventListener("keydown", onKeyDown);
  }, []);
  return job.busy
    ? <button type="button" class="button" onClick={() => job.stop()}>{m.cancel}</button>
    : <button type="button" class="button primary" disabled={disabled} title="Ctrl+Enter" onClick={() => latest.current()}>{label}</button>;
}

/** What goes on, and what went wrong. */
export function JobState({ job, text = m.tasks.working }: { job: Job; text?: string }) {
  return (
    <>
      {job.busy && <div class="task-busy" role="status"><progress aria-label={text} /> <span>{text}</span></div>}
      {job.problem.value && <p class="warning" role="alert">{job.problem.value}</p>}
    </>
  );
}

/** Figures under a result, `null` ones left out. */
export function Figures({ values }: { values: (string | null)[] }) {
  return <p class="task-figures">{values.filter((one) => one !== null).map((one) => <span key={one}>{one}</span>)}</p>;
}

export function CopyButton({ label, text }: { label: string; text: () => string }) {
  const copy = () => attempt(async () => {
    await navigator.clipboard.writeText(text());
    tell(m.copied);
  });
  return <button type="button" class="button small" onClick={copy}><Icon of={Copy} size={14} /> {label}</button>;
}

interface DropProps {
  /** As of an input: `image/*`. */
  accept: string;
  label: string;
  hint: string;
  take: (file: File) => void;
  children?: ComponentChildren;
}

/** A place for one file: it is dropped, pasted, or chosen. */
export function Drop({ accept, label, hint, take, children }: DropProps) {
  const over = useSignal(false);
  const input = useRef<HTMLInputElement>(null);
  const latest = useRef(take);
  latest.current = take;
  useEffect(() => {
    const onPaste = (event: ClipboardEvent) => {
      const file = event.clipboardData?.files[0];
      if (!file) return;
      event.preventDefault();
      latest.current(file);
    };
    addEventListener("paste", onPaste);
    return () => removeEventListener("paste", onPaste);
  }, []);
  const hasFiles = (event: DragEvent) => event.dataTransfer?.types.includes("Files") === true;
  return (
    <div class={`drop ${over.value ? "over" : ""} ${children ? "filled" : ""}`}
      onDragOver={(event) => { if (hasFiles(event)) { event.preventDefault(); over.value = true; } }}
      onDragLeave={() => (over.value = false)}
      onDrop={(event) => {
        over.value = false;
        const file = event.dataTransfer?.files[0];
        if (!file) return;
        event.preventDefault();
        take(file);
      }}>
      {children}
      <div class="drop-row">
        <button type="button" class="button" onClick={() => input.current!.click()}><Icon of={Upload} size={16} /> {label}</button>
        <small>{hint}</small>
      </div>
      <input ref={input} type="file" accept={accept} aria-label={label} hidden onChange={(event) => { const file = event.currentTarget.files?.[0]; if (file) take(file); event.currentTarget.value = ""; }} />
    </div>
  );
}
