// An answer that is being written: the events of its stream, collected and shown at most once a frame.

import { signal } from "@preact/signals";
import { type AnswerEvent, type AnswerState, type Conversation, type Message, api } from "../api";
import { follow } from "../lib/events";
import { savedNow } from "../server";

export interface Listener {
  /** The messages that the stream is about, when it begins. */
  begun(messages: Message[], conversation: Conversation): void;
  ended(message: Message, conversation: Conversation): void;
}

export class Run {
  readonly text = signal("");
  readonly reasoning = signal("");
  readonly state = signal<{ state: AnswerState; share: number | null }>({ state: "queued", share: null });
  readonly startedAt = Date.now();
  /** When the thoughts began and ended, by this page's clock. */
  readonly thinking = signal<{ from: number; to: number | null } | null>(null);
  answer: string | null = null;

  private newText = "";
  private newReasoning = "";
  private frame = 0;
  private readonly controller = new AbortController();

  constructor(
    readonly conversation: string,
    private readonly listener: Listener,
  ) {}

  /** Follows to the end. `begin` sends what starts the answer; `null` joins one that runs already. */
  async follow(begin: ((signal: AbortSignal) => Promise<Response>) | null, answer: string | null = null): Promise<void> {
    this.answer = answer;
    const { signal } = this.controller;
    const open = (after: number) =>
      after === 0 && begin ? begin(signal) : api.events(this.conversation, this.answer!, after, signal);
    try {
      await follow<AnswerEvent>(open, (event) => this.on(event), signal);
    } finally {
      cancelAnimationFrame(this.frame);
    }
  }

  /** Stops listening; the server goes on. */
  leave(): void {
    this.controller.abort();
  }

  private on(event: AnswerEvent): void {
    switch (event.type) {
      case "messages": {
        const answer = event.messages.find((message) => message.role === "assistant");
        this.answer = answer?.id ?? this.answer;
        this.newText = answer?.content ?? "";
        this.newReasoning = answer?.reasoning ?? "";
        this.text.value = this.newText;
        this.reasoning.value = this.newReasoning;
        this.listener.begun(event.messages, event.conversation);
        break;
      }
      case "state":
        if (event.state === "thinking" && !this.thinking.peek()) this.thinking.value = { from: Date.now(), to: null };
        if (event.state === "writing") this.thoughtOver();
        this.state.value = { state: event.state, share: event.share };
        break;
      case "reasoning":
        this.newReasoning += event.text;
        if (!this.thinking.peek()) this.thinking.value = { from: Date.now(), to: null };
        this.paint();
        break;
      case "text":
        this.newText += event.text;
        this.thoughtOver();
        this.paint();
        break;
      case "saved":
        savedNow(event.saved, event.reason);
        break;
      case "end":
        this.text.value = event.message.content;
        this.listener.ended(event.message, event.conversation);
        break;
    }
  }

  private thoughtOver(): void {
    const thinking = this.thinking.peek();
    if (thinking && thinking.to === null) this.thinking.value = { ...thinking, to: Date.now() };
  }

  private paint(): void {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.text.value = this.newText;
      this.reasoning.value = this.newReasoning;
    });
  }
}
