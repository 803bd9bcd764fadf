// The Speech tab: a recording, and what is said in it.

import { Code, Mic, Square } from "lucide";
import { useEffect } from "preact/hooks";
import { m } from "../i18n";
import { bytes } from "../lib/format";
import { shortClock } from "../lib/subtitles";
import { models } from "../server";
import { SPEECH_MODELS } from "../tabs";
import { ModelChoice, Offer } from "../tasks/model";
import { Drop, JobState, RunButton, TaskPage } from "../tasks/parts";
import { showCode } from "../ui/code-dialog";
import { Icon } from "../ui/icon";
import { attempt } from "../ui/notice";
import "../styles/speech.css";
import { LANGUAGES, languageName } from "./languages";
import { Player } from "./player";
import { level, record, recorded, stopRecording } from "./recorder";
import { MOST, choice, fields, heard, job, language, path, position, length, recording, refused, run, translate, words } from "./state";
import { TranscriptView } from "./transcript";

function take(file: File): void {
  refused.value = file.size > MOST ? m.chat.refusedSize(file.name, bytes(file.size), bytes(MOST))
    : file.size === 0 ? m.chat.refusedEmpty(file.name)
    : /^(audio|video)\/|^$|octet-stream/.test(file.type) ? null : m.speech.noRecording(file.name);
  if (refused.value !== null) return;
  job.stop();
  heard.value = null;
  position.value = 0;
  length.value = null;
  recording.take(file);
}

export default function SpeechPage() {
  // A transcript may take minutes: it goes on in another tab. The microphone does not.
  useEffect(() => stopRecording, []);
  if (models.value && !choice.chosen) return <TaskPage title={m.speech.title} intro={m.speech.intro}><Offer names={SPEECH_MODELS} text={m.speech.offer} /></TaskPage>;
  const given = recording.given.value;
  const code = () => showCode({ method: "POST", path: path(), form: { ...fields(), stream: null }, file: given?.file.name ?? "recording.wav" });
  return (
    <TaskPage title={m.speech.title} intro={m.speech.intro}>
      <section class="task-form">
        <Drop accept="audio/*,video/*" label={given ? m.speech.otherFile : m.speech.chooseFile} hint={m.speech.dropFile} take={take}>{given && <Player given={given} />}</Drop>
        <Microphone />
        {refused.value && <p class="warning" role="alert">{refused.value}</p>}
        <div class="task-options">
          <ModelChoice choice={choice} />
          <label class="field">
            <span>{m.speech.language}</span>
            <select value={language.value} disabled={translate.value} onChange={(event) => (language.value = event.currentTarget.value)}>
              <option value="">{m.speech.findOut}</option>
              {LANGUAGES.map((one) => <option key={one} value={one}>{languageName(one)}</option>)}
            </select>
          </label>
          <div class="checks">
            <label class="check"><input type="checkbox" checked={translate.value} onChange={(event) => (translate.value = event.currentTarget.checked)} /> {m.speech.translate}</label>
            <label class="check"><input type="checkbox" checked={words.value} onChange={(event) => (words.value = event.currentTarget.checked)} /> {m.speech.words}</label>
          </div>
        </div>
        <div class="run-row">
          <RunButton job={job} label={m.speech.run} disabled={!given || recorded.value !== null} act={() => void run()} />
          <button type="button" class="button" onClick={code}><Icon of={Code} size={16} /> {m.chat.asCode}</button>
        </div>
      </section>
      <JobState job={job} text={heard.value ? m.speech.listeningOn(shortClock(heard.value.segments.at(-1)?.end ?? 0)) : m.speech.listening} />
      {heard.value && <TranscriptView heard={heard.value} name={given?.file.name ?? "transcript"} />}
    </TaskPage>
  );
}

function Microphone() {
  const start = () => attempt(async () => take(await record()));
  if (recorded.value === null) {
    return <button type="button" class="button record" disabled={job.busy} onClick={start}><Icon of={Mic} size={16} /> {m.speech.record}</button>;
  }
  return (
    <div class="recording" role="group" aria-label={m.speech.recording}>
      <button type="button" class="button danger" onClick={stopRecording}><Icon of={Square} size={14} /> {m.speech.stopRecording}</button>
      <span aria-hidden="true">{shortClock(recorded.value)}</span>
      <meter min={0} max={1} value={level.value} aria-label={m.speech.level} />
      <span class="unseen" role="status">{m.speech.recording}</span>
    </div>
  );
}
