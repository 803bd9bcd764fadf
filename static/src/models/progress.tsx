// How far a download is.

import { X } from "lucide";
import { m } from "../i18n";
import { bytes, duration } from "../lib/format";
import { IconButton } from "../ui/button";
import "../styles/pull.css";
import { pulls } from "./pulls";

export function Progress({ name }: { name: string }) {
  const { event, speed, stop } = pulls.value.get(name)!;
  const total = event?.bytes_total ?? 0;
  const left = speed && total ? ((total - event!.bytes_done) / speed) * 1000 : null;
  const text = !event || event.status === "checking" || total === 0 ? m.models.checking
    : event.status === "verifying" ? m.models.verifying
    : [m.models.downloading(bytes(event.bytes_done), bytes(total)), left ? m.models.rest(duration(left)) : null].filter(Boolean).join(", ");
  return (
    <span class="pull">
      <progress max={1} {...(total ? { value: (event?.bytes_done ?? 0) / total } : {})} aria-label={text} />
      <small>{text}</small>
      <IconButton icon={X} size={16} label={m.models.stopPull} onClick={stop} />
    </span>
  );
}
