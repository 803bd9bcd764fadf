// Where a message is written.

import { useSignal } from "@preact/signals";
import { ArrowUp, Paperclip, Square, X } from "lucide";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { m } from "../i18n";
import { direction } from "../lib/direction";
import { draftOf, keepDraft } from "../lib/drafts";
import { onKey } from "../shortcuts";
import { IconButton } from "../ui/button";
import { reason } from "../ui/notice";
import { type Chosen, forget, isRecording, taken } from "./attachments";
import { FileList } from "./files";
import { Gauge } from "./gauge";
import { editing, modelId, openId, running, send, sendProblem, sending, stop } from "./state";

/** The browser lets a field grow with its text by itself. */
const grows = CSS.supports("field-sizing", "content");
const coarse = matchMedia("(pointer: coarse)");

export function Composer({ given }: { given: { text: string; key: number } | null }) {
  const key = openId.value ?? "new";
  const text = useSignal(draftOf(key));
  const files = useSignal<Chosen[]>([]);
  const refusals = useSignal<string[]>([]);
  /** The recording that is being written down. */
  const hearing = useSignal<{ name: string; controller: AbortController } | null>(null);
  const over = useSignal(false);
  const area = useRef<HTMLTextAreaElement>(null);
  const picker = useRef<HTMLInputElement>(null);
  const shownFor = useRef(key);

  // Another conversation brings its own draft; one that has just begun keeps the field.
  useLayoutEffect(() => {
    if (shownFor.current === key) return;
    if (!(shownFor.current === "new" && sending.peek())) {
      text.value = draftOf(key);
      hearing.peek()?.controller.abort();
      forget(files.peek());
      files.value = [];
      refusals.value = [];
      if (!coarse.matches) area.current?.focus();
    }
    shownFor.current = key;
  }, [key]);
  useEffect(() => {
    if (given) {
      text.value = given.text;
      void submit();
    }
  }, [given?.key]);
  useLayoutEffect(() => {
    if (grows) return;
    const element = area.current!;
    element.style.height = "auto";
    element.style.height = `${Math.min(element.scrollHeight + 2, innerHeight * 0.4)}px`;
  }, [text.value]);
  useEffect(() => () => { hearing.peek()?.controller.abort(); forget(files.peek()); }, []);
  useEffect(() => onKey("focus", () => area.current?.focus()), []);
  useEffect(() => onKey("stop", () => {
    if (editing.peek()) editing.value = null;
    else if (running.peek()) void stop();
  }), []);
  useEffect(() => {
    // Whoever was faster, the search for example, keeps the focus.
    const free = document.activeElement === null || document.activeElement === document.body;
    if (!coarse.matches && free) area.current?.focus();
  }, []);

  const later = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const set = (value: string) => {
    text.value = value;
    // Writing a megabyte with every letter would be felt.
    clearTimeout(later.current);
    if (value.length < 20_000) keepDraft(key, value);
    else later.current = setTimeout(() => keepDraft(key, value), 500);
  };

  async function submit(): Promise<void> {
    const content = text.peek();
    if ((content.trim() === "" && files.peek().length === 0) || sending.peek() || running.peek() || hearing.peek()) return;
    const attachments = files.peek();
    const before = openId.peek() ?? "new";
    clearTimeout(later.current);
    text.value = "";
    files.value = [];
    refusals.value = [];
    if (await send({ content, attachments: attachments.map(({ name, media_type, data }) => ({ name, media_type, data })) })) {
      keepDraft(before, "");
      forget(attachments);
      return;
    }
    // It was not sent: nothing typed is lost.
    if (text.peek() === "") set(content);
    if (files.peek().length === 0) files.value = attachments;
  }

  const onKeyDown = (event: KeyboardEvent) => {
    // keyCode 229: some browsers end a composition with an Enter that says nothing else of it.
    if (event.key !== "Enter" || event.isComposing || event.keyCode === 229) return;
    if (event.shiftKey || (coarse.matches && !event.ctrlKey && !event.metaKey)) return;
    event.preventDefault();
    void submit();
  };

  async function add(list: Iterable<File>): Promise<void> {
    const refused: string[] = [];
    for (const file of list) {
      const controller = new AbortController();
      if (isRecording(file)) hearing.value = { name: file.name, controller };
      try {
        const result = await taken(file, modelId.peek(), controller.signal);
        if (controller.signal.aborted) return;
        if (typeof result === "string") refused.push(result);
        else files.value = [...files.peek(), result];
      } catch (error) {
        if (controller.signal.aborted) return;
        refused.push(`${file.name}: ${reason(error)}`);
      } finally {
        if (hearing.peek()?.controller === controller) hearing.value = null;
      }
    }
    refusals.value = refused;
  }

  const onPaste = (event: ClipboardEvent) => {
    const pasted = [...(event.clipboardData?.files ?? [])];
    if (pasted.length === 0) return;
    event.preventDefault();
    void add(pasted);
  };

  const onDrop = (event: DragEvent) => {
    over.value = false;
    if (!event.dataTransfer?.files.length) return;
    event.preventDefault();
    void add(event.dataTransfer.files);
  };

  const hasFiles = (event: DragEvent) => event.dataTransfer?.types.includes("Files") === true;
  const busy = running.value !== null;
  return (
    <form class={`composer ${over.value ? "over" : ""}`} onSubmit={(event) => { event.preventDefault(); void submit(); }}
      onDragOver={(event) => { if (hasFiles(event)) { event.preventDefault(); over.value = true; } }}
      onDragLeave={() => (over.value = false)} onDrop={onDrop}>
      {sendProblem.value && <p class="warning" role="alert"><b>{m.chat.sendFailed}:</b> {sendProblem.value}</p>}
      {refusals.value.map((why) => <p class="warning" role="alert">{why}</p>)}
      <div class="composer-box">
        <FileList files={files.value} remove={(at) => { forget(files.value.slice(at, at + 1)); files.value = files.value.filter((_, index) => index !== at); }} />
        {hearing.value && (
          <p class="hearing" role="status">
            <progress aria-hidden="true" /> <span dir="auto">{m.chat.transcribing(hearing.value.name)}</span>
            <IconButton icon={X} size={14} label={m.cancel} onClick={() => { hearing.value?.controller.abort(); hearing.value = null; }} />
          </p>
        )}
        <textarea ref={area} id="message" dir={direction(text.value)} rows={1} aria-label={m.chat.input} placeholder={over.value ? m.chat.dropHere : m.chat.placeholder}
          enterkeyhint={coarse.matches ? "enter" : "send"} value={text.value} onInput={(event) => set(event.currentTarget.value)} onKeyDown={onKeyDown} onPaste={onPaste} />
        <div class="composer-row">
          <IconButton icon={Paperclip} label={m.chat.attach} onClick={() => picker.current!.click()} />
          <input ref={picker} type="file" multiple hidden onChange={(event) => { void add(event.currentTarget.files ?? []); event.currentTarget.value = ""; }} />
          <small class="hint">{coarse.matches ? m.chat.hintTouch : m.chat.hint}</small>
          <span class="spring" />
          {busy
            ? <IconButton icon={Square} size={16} class="send" label={m.chat.stop} keys="Esc" onClick={stop} />
            : <IconButton icon={ArrowUp} class="send" label={m.chat.send} keys="Enter" type="submit" disabled={sending.value || hearing.value !== null || (text.value.trim() === "" && files.value.length === 0)} />}
        </div>
      </div>
      <Gauge draft={text.value} />
    </form>
  );
}
