// The microphone: what is said becomes a file.

import { signal } from "@preact/signals";
import { m } from "../i18n";

/** Seconds recorded so far; `null` while nothing is being recorded. */
export const recorded = signal<number | null>(null);
/** 0 to 1. */
export const level = signal(0);

/** The first of these that the browser writes; the server reads both. */
const TYPES: [string, string][] = [["audio/webm;codecs=opus", "webm"], ["audio/mp4", "m4a"]];

let ending: (() => void) | null = null;

/** Records until `stopRecording`; gives the file. Throws where there is no microphone, or it may not be used. */
export async function record(): Promise<File> {
  // Browsers give the microphone only to pages of this machine or with TLS.
  if (!navigator.mediaDevices) throw new Error(m.speech.insecure);
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
  const chosen = TYPES.find(([type]) => MediaRecorder.isTypeSupported(type));
  const recorder = new MediaRecorder(stream, chosen ? { mimeType: chosen[0] } : {});
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  analyser.fftSize = 1024;
  context.createMediaStreamSource(stream).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  const began = performance.now();
  const timer = setInterval(() => {
    analyser.getFloatTimeDomainData(samples);
    const power = samples.reduce((sum, one) => sum + one * one, 0) / samples.length;
    // -60 dB to 0 dB.
    level.value = Math.min(1, Math.max(0, 1 + Math.log10(power + 1e-9) / 6));
    recorded.value = (performance.now() - began) / 1000;
  }, 100);
  const pieces: Blob[] = [];
  try {
    await new Promise<void>((resolve, reject) => {
      recorder.ondataavailable = ({ data }) => pieces.push(data);
      recorder.onstop = () => resolve();
      recorder.onerror = () => reject(new Error(m.failed));
      // Unplugged, or forbidden meanwhile.
      stream.getTracks().forEach((track) => (track.onended = () => recorder.state !== "inactive" && recorder.stop()));
      ending = () => recorder.state !== "inactive" && recorder.stop();
      recorded.value = 0;
      recorder.start(1000);
    });
  } finally {
    clearInterval(timer);
    stream.getTracks().forEach((track) => track.stop());
    void context.close();
    ending = null;
    recorded.value = null;
    level.value = 0;
  }
  const type = recorder.mimeType.split(";")[0]!;
  return new File(pieces, `${m.speech.recordingName}.${chosen?.[1] ?? "webm"}`, { type });
}

export function stopRecording(): void {
  ending?.();
}
