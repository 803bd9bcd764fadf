// "As API call": what the page would send, for curl and for Python.

import { useSignal } from "@preact/signals";
import { m } from "../i18n";
import { type Call, curl, python } from "../lib/snippets";
import { show } from "./dialog";

export function showCode(call: Call): void {
  show({ title: m.code.title, class: "wide", body: () => <Code call={call} /> });
}

function Code({ call }: { call: Call }) {
  const kind = useSignal<"curl" | "python">("curl");
  const copied = useSignal(false);
  const text = (kind.value === "curl" ? curl : python)(call, location.origin);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    copied.value = true;
    setTimeout(() => (copied.value = false), 1500);
  };
  return (
    <>
      <div class="row">
        <div class="segments" role="group" aria-label={m.code.kinds}>
          {(["curl", "python"] as const).map((one) => (
            <button type="button" aria-pressed={kind.value === one} onClick={() => (kind.value = one)}>{m.code[one]}</button>
          ))}
        </div>
        <span class="spring" />
        <button type="button" class="button primary" onClick={copy}>{copied.value ? m.copied : m.copy}</button>
      </div>
      <pre class="snippet" tabIndex={0}>{text}</pre>
    </>
  );
}
