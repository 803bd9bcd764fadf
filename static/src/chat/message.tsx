// One message: what was said, its branches, and what can be done with it.

import { useSignal } from "@preact/signals";
import { ChevronLeft, ChevronRight, Code, Copy, CornerDownRight, Ellipsis, FileText, GitBranch, Pencil, RefreshCw, Repeat, Trash2 } from "lucide";
import { useLayoutEffect, useRef } from "preact/hooks";
import { type Message, api } from "../api";
import { m } from "../i18n";
import { direction } from "../lib/direction";
import { bytes, percent, seconds } from "../lib/format";
import { IconButton } from "../ui/button";
import { showCode } from "../ui/code-dialog";
import { confirmed } from "../ui/dialog";
import { Icon } from "../ui/icon";
import { attempt, tell } from "../ui/notice";
import { Menu, Popover } from "../ui/popover";
import { AnswerText } from "./answer-text";
import { isPicture } from "./attachments";
import { memo } from "./memo";
import { ModelList } from "./picker";
import type { Run } from "./run";
import { answerAgain, branchOff, changeText, conversation, editing, goOn, modelId, removeMessage, runs, send, sending, showBranch, tree } from "./state";
import { Stats } from "./stats";

interface Props {
  message: Message;
  run: Run | null;
  place: number;
  branches: number;
  last: boolean;
}

export const MessageView = memo(function MessageView(props: Props) {
  const { message, run } = props;
  return (
    <article class={`message ${message.role} ${props.last ? "last" : ""}`} id={message.id} aria-label={message.role === "user" ? m.chat.you : (message.answer?.model ?? m.chat.system)}>
      {message.role === "user" ? <Question {...props} /> : <AnswerView message={message} run={run} />}
      <Actions {...props} />
    </article>
  );
});

/** Messages longer than this are folded. */
const FOLD = 3000;

function Question({ message }: Props) {
  const open = useSignal(false);
  if (editing.value === message.id) return <Editor message={message} />;
  const long = message.content.length > FOLD || message.content.split("\n", 40).length > 30;
  const text = long && !open.value ? message.content.slice(0, FOLD).split("\n").slice(0, 12).join("\n") : message.content;
  return (
    <div class="question">
      {message.attachments.map((file) => (
        <a class={`file ${isPicture(file.media_type) ? "picture" : ""}`} key={file.id} href={api.attachment(message.conversation, file.id)} download={file.name}>
          {isPicture(file.media_type) ? <img src={api.attachment(message.conversation, file.id)} alt="" loading="lazy" /> : <Icon of={FileText} size={16} />} <span dir="auto">{file.name}</span> <small>{bytes(file.bytes)}</small>
        </a>
      ))}
      <div class="plain" dir="auto">{text}{long && !open.value ? " …" : ""}</div>
      {long && (
        <p class="folded">
          {m.chat.long(bytes(message.content.length))}{" "}
          <button type="button" class="link" aria-expanded={open.value} onClick={() => (open.value = !open.value)}>{open.value ? m.chat.less : m.chat.showAll}</button>
        </p>
      )}
    </div>
  );
}

function Editor({ message }: { message: Message }) {
  const text = useSignal(message.content);
  const area = useRef<HTMLTextAreaElement>(null);
  const answer = message.role === "assistant";
  useLayoutEffect(() => area.current?.focus(), []);
  const done = async () => {
    if (answer) {
      if (await changeText(message, text.value)) editing.value = null;
    } else await send({ content: text.value, attachments: [] }, message);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.isComposing) return;
    if (event.key === "Escape") {
      event.preventDefault();
      editing.value = null;
    } else if (event.key === "Enter" && !answer && !event.shiftKey && !matchMedia("(pointer: coarse)").matches) {
      event.preventDefault();
      void done();
    }
  };
  return (
    <form class="editor" onSubmit={(event) => { event.preventDefault(); void done(); }}>
      <textarea dir={direction(text.value)} rows={Math.min(16, text.value.split("\n").length + 1)} aria-label={m.chat.edit} value={text.value}
        ref={area}
        onInput={(event) => (text.value = event.currentTarget.value)} onKeyDown={onKeyDown} />
      <div class="dialog-actions">
        {!answer && <small>{m.chat.editHint}</small>}
        <button type="button" class="button" onClick={() => (editing.value = null)}>{m.cancel}</button>
        <button type="submit" class="button primary" disabled={text.value.trim() === "" || sending.value}>{answer ? m.save : m.chat.sendEdit}</button>
      </div>
    </form>
  );
}

function AnswerView({ message, run }: { message: Message; run: Run | null }) {
  const reasoning = run ? run.reasoning.value : message.reasoning;
  if (editing.value === message.id) return <Editor message={message} />;
  return (
    <div class="answer">
      <div class="byline">{message.answer?.model}{run && <StateChip run={run} />}</div>
      {reasoning ? <Thoughts text={reasoning} message={message} run={run} /> : null}
      <AnswerText text={message.content} live={run ? run.text : null} />
      {message.tool_calls?.map((call) => <div class="plain" key={call.id}>{call.name}({call.arguments})</div>)}
      {!run && <Ending message={message} />}
    </div>
  );
}

function StateChip({ run }: { run: Run }) {
  const { state, share } = run.state.value;
  return (
    <span class={`chip state-${state}`}>
      {m.chat.state[state]}{share === null ? "" : ` ${percent(share)}`}
    </span>
  );
}

function Thoughts({ text, message, run }: { text: string; message: Message; run: Run | null }) {
  const chosen = useSignal<boolean | null>(null);
  const thinking = run?.thinking.value;
  const going = thinking != null && thinking.to === null;
  const open = chosen.value ?? going;
  const ms = thinking?.to ? thinking.to - thinking.from : message.answer?.timings?.reasoning_ms;
  return (
    <div class={`thoughts ${open ? "open" : ""}`}>
      <button type="button" aria-expanded={open} onClick={() => (chosen.value = !open)}>
        <Icon of={ChevronRight} size={16} />
        {going ? m.chat.thinking : ms ? m.chat.thought(seconds(ms)) : m.chat.thoughtSome}
      </button>
      {open && <div class="plain" dir="auto">{text}</div>}
    </div>
  );
}

/** Why an answer ended, where it did not end by itself. */
function Ending({ message }: { message: Message }) {
  const text =
    message.status === "stopped" ? m.chat.stopped
    : message.status === "interrupted" ? m.chat.interrupted
    : message.status === "failed" ? m.chat.failed(message.answer?.error ?? "")
    : message.answer?.finish_reason === "length" ? m.chat.length
    : null;
  if (!text) return null;
  return (
    <p class={`ending ${message.status}`}>
      <span>{text}</span>
      {message.status !== "failed" && <button type="button" class="button small" onClick={() => goOn(message)}>{m.chat.goOn}</button>}
      {message.status === "failed" && <button type="button" class="button small" onClick={() => again(message)}>{m.retry}</button>}
    </p>
  );
}

function again(message: Message, model?: string): void {
  const question = tree.peek().get(message.parent);
  if (question) void answerAgain(question, model ?? message.answer?.model);
}

function Actions({ message, run, place, branches, last }: Props) {
  const answer = message.role === "assistant";
  const step = (by: number) => void showBranch(tree.peek().siblings(message)[place + by]!);
  if (editing.value === message.id) return null;
  return (
    <footer class={`actions ${run ? "running" : ""}`}>
      {branches > 1 && (
        <span class="branches" role="group" aria-label={m.chat.branches}>
          <IconButton icon={ChevronLeft} size={16} label={m.chat.previous} disabled={place === 0} onClick={() => step(-1)} />
          <span aria-label={m.chat.branch(place + 1, branches)}>{place + 1}/{branches}</span>
          <IconButton icon={ChevronRight} size={16} label={m.chat.next} disabled={place === branches - 1} onClick={() => step(1)} />
        </span>
      )}
      {answer && !run && <Stats message={message} />}
      <span class="spring" />
      <span class="tools">
        <IconButton icon={Copy} size={16} label={m.chat.copyMarkdown} onClick={() => attempt(async () => { await navigator.clipboard.writeText(run ? run.text.peek() : message.content); tell(m.copied); })} />
        {answer && !run && <IconButton icon={RefreshCw} size={16} label={m.chat.again} onClick={() => again(message)} />}
        {!answer && <IconButton icon={Pencil} size={16} label={m.chat.edit} onClick={() => (editing.value = message.id)} />}
        {answer && !run && (
          <Popover label={m.chat.againWith} class="picker" align="end"
            button={(properties) => <IconButton icon={Repeat} size={16} label={m.chat.againWith} {...properties} />}>
            {(close) => <ModelList chosen={message.answer?.model ?? null} choose={(id) => { close(); again(message, id); }} />}
          </Popover>
        )}
        <Menu label={m.chat.actions} align="end"
          button={(properties) => <IconButton icon={Ellipsis} size={16} label={m.chat.actions} {...properties} />}
          entries={() => [
            answer && !run && { label: m.chat.editAnswer, icon: Pencil, act: () => (editing.value = message.id) },
            answer && !run && last && { label: m.chat.goOn, icon: CornerDownRight, act: () => void goOn(message) },
            { label: m.chat.asCode, icon: Code, act: () => showCode(asCall(message)) },
            { label: m.chat.branchOff, icon: GitBranch, act: () => void branchOff(message), disabled: run !== null },
            "-",
            { label: m.chat.delete, icon: Trash2, danger: true, disabled: runs.peek().size > 0, act: () => void remove(message) },
          ]} />
      </span>
    </footer>
  );
}

async function remove(message: Message): Promise<void> {
  const below = tree.peek().countBelow(message);
  if (await confirmed(m.chat.deleteTitle(below), m.side.deleteText, m.remove)) await removeMessage(message);
}

/** The request that would give this answer, for OpenAI's API. */
function asCall(message: Message) {
  const path = tree.peek().path(message.id);
  const asked = message.role === "assistant" ? path.slice(0, -1) : path;
  const system = conversation.peek()?.system_prompt;
  const messages = asked.map(({ role, content }) => ({ role, content }));
  const model = message.answer?.model ?? modelId.peek();
  const parameters = message.answer?.parameters ?? conversation.peek()?.parameters ?? {};
  return {
    method: "POST",
    path: "/v1/chat/completions",
    body: { model, ...parameters, messages: system ? [{ role: "system", content: system }, ...messages] : messages },
  };
}

