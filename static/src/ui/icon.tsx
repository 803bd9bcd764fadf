import type { IconNode } from "lucide";
import { h } from "preact";

/** An icon of lucide as inline SVG. It says nothing to a screen reader: the button around it has a label. */
export function Icon({ of, size = 18 }: { of: IconNode; size?: number }) {
  return (
    <svg class="icon" width={size} height={size} viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      {of.map(([tag, attributes]) => h(tag, attributes as Record<string, string>))}
    </svg>
  );
}
