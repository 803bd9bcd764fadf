// The messages of the branch shown. Long conversations are put in from the end; earlier messages follow when one
// scrolls up to them, and the browser skips drawing what is out of sight.

import { effect, useSignal } from "@preact/signals";
import { ArrowDown } from "lucide";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { m } from "../i18n";
import { IconButton } from "../ui/button";
import { MessageView } from "./message";
import { openId, path, runs, tree } from "./state";

const STEP = 30;
/** So close to the end counts as being there. */
const NEAR = 48;

export function Log({ target }: { target: string | null }) {
  const box = useRef<HTMLDivElement>(null);
  const top = useRef<HTMLDivElement>(null);
  const stuck = useSignal(true);
  const shown = useSignal(STEP);
  const list = path.value;
  const aim = target ? list.findIndex((message) => message.id === target) : -1;
  const first = Math.max(0, Math.min(list.length - shown.value, aim < 0 ? list.length : aim - 2));
  const before = useRef<{ first: number; height: number } | null>(null);

  const toEnd = () => {
    const element = box.current;
    if (element) element.scrollTop = element.scrollHeight;
  };

  // What is put in above must not push away what is being read.
  useLayoutEffect(() => {
    const element = box.current!;
    if (before.current && before.current.first > first) element.scrollTop += element.scrollHeight - before.current.height;
    before.current = null;
  }, [first]);

  useLayoutEffect(() => {
    if (aim >= 0) {
      stuck.value = false;
      const element = document.getElementById(target!);
      element?.scrollIntoView({ block: "center" });
      element?.classList.add("found");
    } else if (stuck.peek()) toEnd();
  }, [target, aim >= 0, list.at(-1)?.id, list.length]);

  // Sizes change after the fact: estimated heights, formulas, answers that grow.
  useEffect(() => {
    const observer = new ResizeObserver(() => {
      if (stuck.peek()) toEnd();
    });
    observer.observe(box.current!.firstElementChild!);
    return () => observer.disconnect();
  }, []);
  useEffect(() => effect(() => {
    for (const run of runs.value.values()) void run.text.value, void run.reasoning.value;
    if (stuck.peek()) queueMicrotask(toEnd);
  }), []);

  useEffect(() => {
    if (first === 0) return;
    const observer = new IntersectionObserver((entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      before.current = { first, height: box.current!.scrollHeight };
      shown.value = list.length - first + STEP;
    }, { root: box.current, rootMargin: "1200px 0px 0px 0px" });
    observer.observe(top.current!);
    return () => observer.disconnect();
  }, [first, list.length]);

  const onScroll = () => {
    const element = box.current!;
    const near = element.scrollHeight - element.scrollTop - element.clientHeight < NEAR;
    if (near !== stuck.peek()) stuck.value = near;
  };
  // Scrolling up by hand wins over text that arrives in the same moment.
  const onWheel = (event: WheelEvent) => {
    if (event.deltaY < 0 && box.current!.scrollHeight > box.current!.clientHeight) stuck.value = false;
  };

  return (
    <div class="log-area">
      <div class="log" ref={box} onScroll={onScroll} onWheel={onWheel} role="log" aria-live="off" aria-label={m.chat.log} tabIndex={0}>
        <div class="column" key={openId.value}>
          <div ref={top} class="log-top">{first > 0 && m.chat.earlier}</div>
          {list.slice(first).map((message, index) => {
            const siblings = tree.value.siblings(message);
            return (
              <MessageView key={message.id} message={message} run={runs.value.get(message.id) ?? null} place={siblings.indexOf(message)}
                branches={siblings.length} last={first + index === list.length - 1} />
            );
          })}
        </div>
      </div>
      {!stuck.value && <IconButton icon={ArrowDown} class="to-bottom" label={m.chat.toBottom} onClick={() => { stuck.value = true; toEnd(); }} />}
    </div>
  );
}
