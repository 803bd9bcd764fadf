// Languages that Whisper knows, by how much of each it has heard.

export const LANGUAGES = [
  "en", "zh", "de", "es", "ru", "ko", "fr", "ja", "pt", "tr", "pl", "ca", "nl", "ar", "sv", "it", "id", "hi", "fi", "vi", "he", "uk", "el", "ms",
  "cs", "ro", "da", "hu", "ta", "no", "th", "ur", "hr", "bg", "lt", "la", "mi", "ml", "cy", "sk", "te", "fa", "lv", "bn", "sr", "az", "sl", "kn",
  "et", "mk", "br", "eu", "is", "hy", "ne", "mn", "bs", "kk", "sq", "sw", "gl", "mr", "pa", "si", "km", "sn", "yo", "so", "af", "oc", "ka", "be",
  "tg", "sd", "gu", "am", "yi", "lo", "uz", "fo", "ht", "ps", "tk", "nn", "mt", "sa", "lb", "my", "bo", "tl", "mg", "as", "tt", "haw", "ln", "ha",
  "ba", "jw", "su",
].sort((a, b) => languageName(a).localeCompare(languageName(b)));

/** The English name of a code of ISO 639; `jw` is how Whisper writes Javanese. A name (`english`) is one already. */
export function languageName(code: string): string {
  if (code.length > 3) return code.charAt(0).toUpperCase() + code.slice(1);
  try {
    return new Intl.DisplayNames("en", { type: "language" }).of(code === "jw" ? "jv" : code) ?? code;
  } catch {
    return code;
  }
}
