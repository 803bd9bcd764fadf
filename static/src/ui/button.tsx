import type { IconNode } from "lucide";
import type { JSX } from "preact";
import { Icon } from "./icon";

interface IconButtonProps extends Omit<JSX.IntrinsicElements["button"], "icon" | "label" | "size"> {
  icon: IconNode;
  label: string;
  /** Keys that do the same, for the tooltip. */
  keys?: string | undefined;
  size?: number;
}

/** A button that is only an icon; its label is its name and its tooltip. */
export function IconButton({ icon, label, keys, size, class: extra, ...rest }: IconButtonProps) {
  return (
    <button type="button" class={`icon-button ${String(extra ?? "")}`} aria-label={label} title={keys ? `${label} (${keys})` : label} {...rest}>
      <Icon of={icon} {...(size ? { size } : {})} />
    </button>
  );
}
