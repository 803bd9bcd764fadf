// localStorage, which may be full, switched off, or written by another version.

export function recall(key: string): string | null {
  try {
    return localStorage.getItem(`tern.${key}`);
  } catch {
    return null;
  }
}

export function keep(key: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(`tern.${key}`);
    else localStorage.setItem(`tern.${key}`, value);
  } catch {
    // Without storage the page works and forgets.
  }
}

export function recallJson<T>(key: string, fallback: T): T {
  try {
    const text = recall(key);
    return text === null ? fallback : (JSON.parse(text) as T);
  } catch {
    return fallback;
  }
}

export function keepJson(key: string, value: unknown): void {
  keep(key, JSON.stringify(value));
}
