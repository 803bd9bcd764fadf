// The OCR tab: a picture with the words that were read in it, and their text beside it.

import { useSignal } from "@preact/signals";
import { Code } from "lucide";
import { useEffect } from "preact/hooks";
import { call } from "../api";
import { m } from "../i18n";
import { duration, percent } from "../lib/format";
import { ModelChoice } from "../tasks/model";
import { PictureDrop } from "../tasks/picture";
import { CopyButton, Figures, JobState, RunButton, TaskPage } from "../tasks/parts";
import { showCode } from "../ui/code-dialog";
import { Icon } from "../ui/icon";
import { reason } from "../ui/notice";
import "../styles/ocr.css";
import { Lines } from "./lines";
import { Overlay } from "./overlay";
import { type Reader, asked, choice, job, languageName, languages, orientation, picture, problem, read, reader, run, setLanguages } from "./state";

export default function OcrPage() {
  const look = () => {
    problem.value = null;
    call<Reader>("GET", "/api/ocr").then((found) => (reader.value = found), (error: unknown) => (problem.value = reason(error)));
  };
  useEffect(look, []);
  useEffect(() => () => job.stop(), []);
  const here = reader.value;
  if (here && !here.available) {
    return (
      <TaskPage title={m.ocr.title} intro={m.ocr.intro}>
        <section class="offer">
          <h2>{m.ocr.missing}</h2>
          <p>{here.install ?? m.ocr.missingHint}</p>
          <button type="button" class="button" onClick={look}>{m.ocr.lookAgain}</button>
        </section>
      </TaskPage>
    );
  }
  const given = picture.given.value;
  const start = () => void run();
  const code = () => showCode({ method: "POST", path: "/api/ocr", form: { language: asked(), detect_orientation: orientation.value || null }, file: given?.file.name ?? "page.png" });
  return (
    <TaskPage title={m.ocr.title} intro={m.ocr.intro} wide>
      {problem.value && <p class="warning" role="alert">{problem.value}</p>}
      <section class="task-form">
        <div class="task-options">
          {choice.models.length > 1 && <ModelChoice choice={choice} />}
          {here && <Languages all={here.languages} />}
          <label class="check"><input type="checkbox" checked={orientation.value} onChange={(event) => (orientation.value = event.currentTarget.checked)} /> {m.ocr.orientation}</label>
        </div>
      </section>
      <div class={read.value ? "ocr-columns" : ""}>
        <section aria-label={m.ocr.picture}>
          <PictureDrop picture={picture} taken={start}>{given && <Overlay address={given.address} name={given.file.name} read={read.value} />}</PictureDrop>
          <div class="run-row">
            <RunButton job={job} label={read.value ? m.ocr.again : m.ocr.run} disabled={!given || !here} act={start} />
            <button type="button" class="button" onClick={code}><Icon of={Code} size={16} /> {m.chat.asCode}</button>
          </div>
          <JobState job={job} text={m.ocr.reading} />
        </section>
        {read.value && (
          <section aria-label={m.ocr.text}>
            <div class="row section-head">
              <h2>{m.ocr.done(read.value.lines.length)}</h2>
              <span class="spring" />
              <CopyButton label={m.tasks.copyText} text={() => read.value!.text} />
              <CopyButton label={m.tasks.copyJson} text={() => JSON.stringify(read.value, null, 2)} />
            </div>
            <Figures values={[read.value.model === reader.value?.model ? (reader.value.version ?? read.value.model) : read.value.model, duration(read.value.timings.total_ms), sure(), read.value.rotation ? m.ocr.turned(read.value.rotation) : null]} />
            <Lines read={read.value} />
          </section>
        )}
      </div>
    </TaskPage>
  );
}

function sure(): string | null {
  const words = read.value?.lines.flatMap((line) => line.words) ?? [];
  return words.length > 0 ? m.ocr.sure(percent(words.reduce((sum, word) => sum + word.confidence, 0) / words.length)) : null;
}

function Languages({ all }: { all: readonly string[] }) {
  const search = useSignal("");
  const wanted = asked();
  const found = all.filter((one) => `${one} ${languageName(one)}`.toLowerCase().includes(search.value.trim().toLowerCase()));
  const toggle = (one: string, on: boolean) => setLanguages(on ? [...wanted, one] : wanted.filter((other) => other !== one));
  return (
    <details class="languages">
      <summary><b>{m.ocr.languages}</b> {wanted.length > 0 ? wanted.map(languageName).join(", ") : m.ocr.defaultLanguage}</summary>
      {all.length > 12 && <input type="search" aria-label={m.ocr.searchLanguage} placeholder={m.ocr.searchLanguage} value={search.value} onInput={(event) => (search.value = event.currentTarget.value)} />}
      <div class="language-list" role="group" aria-label={m.ocr.languages}>
        {found.map((one) => (
          <label class="check" key={one}><input type="checkbox" checked={languages.value.includes(one)} onChange={(event) => toggle(one, event.currentTarget.checked)} /> {languageName(one)}</label>
        ))}
      </div>
      <small>{m.ocr.moreLanguages}</small>
    </details>
  );
}
