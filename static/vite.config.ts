import { readFileSync } from "node:fs";
import { defineConfig, type Plugin } from "vite";

/**
 * Sets the theme before anything is painted: a classic script of its own in front of everything else, because the
 * policy of the server forbids inline scripts and a module would run too late.
 */
function themeFirst(): Plugin {
  const source = "src/theme-first.js";
  let reference = "";
  return {
    name: "theme-first",
    buildStart() {
      if (this.environment?.mode !== "dev") {
        reference = this.emitFile({ type: "asset", name: "theme.js", source: readFileSync(source, "utf8") });
      }
    },
    transformIndexHtml: {
      order: "post",
      handler(html, context) {
        const src = context.server ? `/${source}` : `/${this.getFileName?.(reference) ?? ""}`;
        return { html, tags: [{ tag: "script", attrs: { src }, injectTo: "head-prepend" as const }] };
      },
    },
  };
}

/** Every browser that can run the page reads woff2; the other two forms of KaTeX's fonts would only make it larger. */
function woff2Only(): Plugin {
  return {
    name: "woff2-only",
    enforce: "pre",
    transform(code, id) {
      if (!id.includes("katex.min.css")) return;
      return code.replace(/,url\([^)]*\.(woff|ttf)\) format\("(woff|truetype)"\)/g, "");
    },
  };
}

export default defineConfig({
  plugins: [themeFirst(), woff2Only()],
  build: {
    target: "es2022",
    outDir: "dist",
    assetsDir: "assets",
    // Nothing is inlined: the policy of the server allows no data: fonts or scripts.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 400,
  },
  server: {
    proxy: Object.fromEntries(
      ["/api", "/v1", "/health", "/docs", "/openapi.json"].map((path) => [path, "http://127.0.0.1:8080"]),
    ),
  },
  test: { include: ["src/**/*.test.ts"], environment: "node" },
} as Parameters<typeof defineConfig>[0]);
