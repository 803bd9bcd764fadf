// Figures as people read them: three digits that matter, a unit, and no more.

const number = new Intl.NumberFormat("en");

export function count(value: number): string {
  return number.format(Math.round(value));
}

/** Three significant digits at most, without an exponent. */
export function digits(value: number): string {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  const places = size >= 100 || value === 0 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3;
  const text = value.toFixed(places);
  return places > 0 ? text.replace(/\.?0+$/, "") : number.format(Number(text));
}

export function bytes(value: number): string {
  if (value < 1000) return `${count(value)} B`;
  const units = ["kB", "MB", "GB", "TB"];
  let size = value;
  let unit = -1;
  while (size >= 999.5 && unit < units.length - 1) {
    size /= 1000;
    unit += 1;
  }
  return `${digits(size)} ${units[unit]}`;
}

export function duration(ms: number): string {
  if (ms < 999.5) return `${ms >= 10 || ms === 0 ? Math.round(ms) : ms >= 1 ? ms.toFixed(1).replace(".0", "") : digits(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 59.95) return `${digits(seconds)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** Whole seconds, for "Thought for 12 s". */
export function seconds(ms: number): string {
  return duration(ms < 10_000 ? ms : Math.round(ms / 1000) * 1000);
}

/** Tokens a second, or seconds a token where that is below one. `null` where nothing was measured. */
export function rate(perSecond: number | null | undefined): string | null {
  if (perSecond == null || !Number.isFinite(perSecond) || perSecond <= 0) return null;
  return perSecond >= 1 ? `${digits(perSecond)} tok/s` : `${digits(1 / perSecond)} s/token`;
}

export function perSecond(tokens: number, ms: number): number | null {
  return tokens > 0 && ms > 0 ? (tokens * 1000) / ms : null;
}

/** Number of weights: 3.68M, 1.54B. */
export function weights(value: number): string {
  if (value >= 1e9) return `${digits(value / 1e9)}B`;
  if (value >= 1e6) return `${digits(value / 1e6)}M`;
  return count(value);
}

export function percent(share: number): string {
  const value = share * 100;
  return `${value > 0 && value < 1 ? "<1" : Math.round(value)} %`;
}

/** Words as a reader counts them; scripts without spaces are counted by the browser's dictionary. */
export function words(text: string): number {
  if (!/[\u3040-\u30ff\u3400-\u9fff\u0e00-\u0e7f]/.test(text)) return text.match(/[\p{L}\p{N}][\p{L}\p{N}\p{M}'’-]*/gu)?.length ?? 0;
  let n = 0;
  for (const part of new Intl.Segmenter(undefined, { granularity: "word" }).segment(text)) if (part.isWordLike) n += 1;
  return n;
}

export type DateGroup = "today" | "yesterday" | "lastWeek" | "lastMonth" | "older";

/** Which heading of the side bar a time stands under. */
export function dateGroup(ms: number, now = Date.now()): DateGroup {
  const midnight = new Date(now);
  midnight.setHours(0, 0, 0, 0);
  const daysBefore = (days: number) => new Date(midnight).setDate(midnight.getDate() - days);
  if (ms >= midnight.getTime()) return "today";
  if (ms >= daysBefore(1)) return "yesterday";
  if (ms >= daysBefore(7)) return "lastWeek";
  if (ms >= daysBefore(30)) return "lastMonth";
  return "older";
}
