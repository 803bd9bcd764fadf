// Chromium of the system, driven by playwright-core from static/node_modules.

import { createRequire } from "node:module";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const require = createRequire(fileURLToPath(new URL("../../static/package.json", import.meta.url)));
const { chromium } = require("playwright-core");
export const { AxeBuilder } = require("@axe-core/playwright");

const places = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome", "/usr/bin/google-chrome-stable",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"];

export function launch() {
  const executablePath = places.find((place) => place && existsSync(place));
  if (!executablePath) throw new Error("no Chromium found; install it (Debian: apt-get install chromium) or set CHROMIUM to its path");
  // A microphone that beeps.
  const microphone = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"];
  // Debian's Chromium has no sandbox for root, as in a container.
  const args = process.getuid?.() === 0 ? ["--no-sandbox", ...microphone] : microphone;
  return chromium.launch({ executablePath, args });
}
