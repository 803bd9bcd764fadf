// The recording itself. Times in the transcript lead here.

import { useEffect, useRef } from "preact/hooks";
import { bytes } from "../lib/format";
import { shortClock } from "../lib/subtitles";
import type { Given } from "../tasks/file";
import { length, position } from "./state";

let element: HTMLMediaElement | null = null;

/** Plays from there. */
export function seek(seconds: number): void {
  if (!element) return;
  element.currentTime = seconds;
  position.value = seconds;
  void element.play().catch(() => {});
}

export function Player({ given }: { given: Given }) {
  const media = useRef<HTMLMediaElement>(null);
  useEffect(() => {
    element = media.current;
    // A tab that is opened again goes on where it was.
    if (element && position.peek() > 0) element.currentTime = position.peek();
    return () => (element = null, undefined);
  }, [given.address]);
  const events = {
    onTimeUpdate: (event: Event) => {
      const { currentTime, duration } = event.currentTarget as HTMLMediaElement;
      if (Number.isFinite(duration)) position.value = currentTime;
    },
    // Recordings of a browser do not say how long they are until they have been read to their end.
    onLoadedMetadata: (event: Event) => {
      const one = event.currentTarget as HTMLMediaElement;
      if (one.duration === Infinity) one.currentTime = 1e7;
      else length.value = one.duration;
    },
    onDurationChange: (event: Event) => {
      const one = event.currentTarget as HTMLMediaElement;
      if (!Number.isFinite(one.duration)) return;
      if (one.currentTime > one.duration - 0.01) one.currentTime = 0;
      length.value = one.duration;
    },
  };
  const video = given.file.type.startsWith("video/");
  return (
    <figure class="player">
      {video
        ? <video key={given.address} ref={media as never} src={given.address} controls preload="metadata" aria-label={given.file.name} {...events} />
        : <audio key={given.address} ref={media as never} src={given.address} controls preload="metadata" aria-label={given.file.name} {...events} />}
      <figcaption><b dir="auto">{given.file.name}</b> <small>{bytes(given.file.size)}{length.value !== null && ` · ${shortClock(length.value)}`}</small></figcaption>
    </figure>
  );
}
