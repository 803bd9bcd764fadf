// Menus and other boxes that open at a button. The browser's popover puts them above everything and closes them at a
// click elsewhere or at Escape; the place is ours to find.

import type { IconNode } from "lucide";
import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { Icon } from "./icon";

interface Props {
  button: (properties: { onClick: (event: MouseEvent) => void; "aria-expanded": boolean; "aria-haspopup": "menu" | "dialog" }) => ComponentChildren;
  children: (close: () => void) => ComponentChildren;
  label: string;
  kind?: "menu" | "dialog";
  class?: string;
  /** Which edge of the button the box lines up with. */
  align?: "start" | "end";
}

export function Popover({ button, children, label, kind = "dialog", class: extra, align = "start" }: Props) {
  const [anchor, setAnchor] = useState<HTMLElement | null>(null);
  const box = useRef<HTMLDivElement>(null);
  const close = () => box.current?.hidePopover();

  // Before the next key is heard, so that keys pressed at once find the menu open.
  useLayoutEffect(() => {
    const element = box.current;
    if (!anchor || !element) return;
    element.showPopover();
    place(element, anchor, align);
    const first = element.querySelector<HTMLElement>("[autofocus], [role=menuitem], [role=option][aria-selected=true], input, button");
    first?.focus();
    const again = () => place(element, anchor, align);
    const toggled = (event: Event) => {
      if ((event as ToggleEvent).newState === "closed") setAnchor(null);
    };
    element.addEventListener("toggle", toggled);
    addEventListener("resize", again);
    return () => {
      element.removeEventListener("toggle", toggled);
      removeEventListener("resize", again);
    };
  }, [anchor]);

  const onKeyDown = (event: KeyboardEvent) => {
    if (kind !== "menu") return;
    const items = [...box.current!.querySelectorAll<HTMLElement>("[role=menuitem]:not(:disabled)")];
    const at = items.indexOf(document.activeElement as HTMLElement);
    const next = { ArrowDown: at + 1, ArrowUp: at - 1 + items.length, Home: 0, End: items.length - 1 }[event.key];
    if (next !== undefined) {
      event.preventDefault();
      items[next % items.length]?.focus();
    } else if (event.key === "Tab") close();
  };

  return (
    <>
      {button({
        onClick: (event) => {
          event.stopPropagation();
          setAnchor(anchor ? null : (event.currentTarget as HTMLElement));
        },
        "aria-expanded": anchor !== null,
        "aria-haspopup": kind,
      })}
      {anchor && (
        <div ref={box} popover="auto" role={kind} aria-label={label} class={`popover ${extra ?? ""}`} onKeyDown={onKeyDown} onClick={(event) => event.stopPropagation()}>
          {children(close)}
        </div>
      )}
    </>
  );
}

function place(box: HTMLElement, anchor: HTMLElement, align: "start" | "end"): void {
  const at = anchor.getBoundingClientRect();
  const gap = 6;
  const below = innerHeight - at.bottom - gap * 2;
  const above = at.top - gap * 2;
  const down = below >= Math.min(box.scrollHeight, 320) || below >= above;
  box.style.maxHeight = `${Math.max(down ? below : above, 120)}px`;
  const { width, height } = box.getBoundingClientRect();
  const left = align === "start" ? at.left : at.right - width;
  box.style.left = `${Math.max(gap, Math.min(left, innerWidth - width - gap))}px`;
  box.style.top = `${down ? at.bottom + gap : Math.max(gap, at.top - gap - height)}px`;
}

export interface MenuEntry {
  label: string;
  icon?: IconNode;
  act?: () => void;
  /** A download, or another page. */
  href?: string;
  danger?: boolean;
  disabled?: boolean;
}

/** A menu; `null` and `false` entries are left out, `"-"` is a line. */
export function Menu({ entries, ...rest }: Omit<Props, "children" | "kind"> & { entries: () => (MenuEntry | "-" | null | false)[] }) {
  return (
    <Popover kind="menu" class="menu" {...rest}>
      {(close) =>
        entries().map((entry) => {
          if (!entry) return null;
          if (entry === "-") return <hr />;
          const inside = (
            <>
              {entry.icon && <Icon of={entry.icon} size={16} />}
              <span>{entry.label}</span>
            </>
          );
          const properties = { role: "menuitem", tabIndex: -1, class: entry.danger ? "danger" : "" } as const;
          if (entry.href) return <a {...properties} href={entry.href} download="" onClick={close}>{inside}</a>;
          const act = () => {
            close();
            entry.act?.();
          };
          return <button type="button" {...properties} disabled={entry.disabled ?? false} onClick={act}>{inside}</button>;
        })
      }
    </Popover>
  );
}
