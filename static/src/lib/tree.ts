// The messages of a conversation as a tree: siblings are branches, one path is shown.

import type { Message } from "../api";

export class Tree {
  private readonly byId = new Map<string, Message>();
  private readonly children = new Map<string | null, Message[]>();

  /** `messages` come parents before children, siblings in the order they were written. */
  constructor(messages: readonly Message[]) {
    for (const message of messages) {
      this.byId.set(message.id, message);
      const parent = message.parent ?? null;
      const siblings = this.children.get(parent);
      if (siblings) siblings.push(message);
      else this.children.set(parent, [message]);
    }
  }

  get(id: string | null): Message | undefined {
    return id === null ? undefined : this.byId.get(id);
  }

  /** From the first message to `leaf`. A leaf that is not there (any more) gives the newest branch. */
  path(leaf: string | null): Message[] {
    const path: Message[] = [];
    let message = this.get(leaf) ?? this.get(this.newestBelow(null));
    while (message && path.length <= this.byId.size) {
      path.push(message);
      message = this.get(message.parent ?? null);
    }
    return path.reverse();
  }

  /** Messages with the same parent, this one among them. */
  siblings(message: Message): Message[] {
    return this.children.get(message.parent ?? null) ?? [message];
  }

  /** The end of the branch one gets to by always taking the newest child; `id` itself if it has none. */
  newestBelow(id: string | null): string | null {
    for (let at = id; ; ) {
      const newest = this.children.get(at)?.at(-1);
      if (!newest || newest.id === at) return at;
      at = newest.id;
    }
  }

  /** `message` and everything below it. */
  countBelow(message: Message): number {
    let count = 0;
    const todo = [message];
    for (let next = todo.pop(); next; next = todo.pop()) {
      count += 1;
      todo.push(...(this.children.get(next.id) ?? []));
    }
    return count;
  }
}

/** `messages` with some replaced or added. */
export function merged(messages: readonly Message[], changed: readonly Message[]): Message[] {
  const todo = new Map(changed.map((message) => [message.id, message]));
  const list = messages.map((message) => {
    const replacement = todo.get(message.id);
    todo.delete(message.id);
    return replacement ?? message;
  });
  return [...list, ...todo.values()];
}
