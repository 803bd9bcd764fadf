// The Vision tab: a picture, its description, and answers to questions about it.

import { Code } from "lucide";
import { useEffect } from "preact/hooks";
import { m } from "../i18n";
import { duration, perSecond, rate } from "../lib/format";
import { models } from "../server";
import { PICTURE_MODELS } from "../tabs";
import { ModelChoice, Offer } from "../tasks/model";
import { PictureDrop } from "../tasks/picture";
import { CopyButton, Figures, JobState, TaskPage } from "../tasks/parts";
import { showCode } from "../ui/code-dialog";
import { Icon } from "../ui/icon";
import "../styles/vision.css";
import { type Said, can, choice, describe, job, picture, question, said } from "./state";

export default function VisionPage() {
  useEffect(() => () => job.stop(), []);
  if (models.value && !choice.chosen) return <TaskPage title={m.vision.title} intro={m.vision.intro}><Offer names={PICTURE_MODELS} text={m.vision.offer} /></TaskPage>;
  const given = picture.given.value;
  const asked = question.value.trim();
  const ready = given !== null && !job.busy && choice.chosen !== null;
  const ask = () => { if (ready && asked !== "" && can("question")) void describe(asked); };
  const code = () => showCode({ method: "POST", path: "/api/caption", form: { model: choice.chosen?.id ?? null, question: asked || null }, file: given?.file.name ?? "picture.png" });
  return (
    <TaskPage title={m.vision.title} intro={m.vision.intro}>
      <div class="vision-columns">
        <section aria-label={m.vision.picture}>
          <PictureDrop picture={picture}>{given && <div class="preview"><img src={given.address} alt={given.file.name} /></div>}</PictureDrop>
        </section>
        <section class="task-form" aria-label={m.vision.ask}>
          <div class="task-options"><ModelChoice choice={choice} /></div>
          <div class="run-row">
            <button type="button" class="button primary" disabled={!ready || !can("caption")} onClick={() => void describe(null)}>{m.vision.describe}</button>
            {!choice.chosen?.capabilities.includes("vision") && <button type="button" class="button" onClick={code}><Icon of={Code} size={16} /> {m.chat.asCode}</button>}
            {job.busy && <button type="button" class="button" onClick={() => job.stop()}>{m.cancel}</button>}
          </div>
          <form class="ask-row" onSubmit={(event) => { event.preventDefault(); ask(); }}>
            <label class="field"><span>{m.vision.question}</span>
              <input id="message" type="text" dir="auto" value={question.value} placeholder={m.vision.questionHint} disabled={!can("question")} onInput={(event) => (question.value = event.currentTarget.value)} />
            </label>
            <button type="submit" class="button" disabled={!ready || asked === "" || !can("question")}>{m.vision.ask}</button>
          </form>
          {!can("caption") && choice.chosen && <small>{m.vision.noCaption(choice.chosen.id)}</small>}
          {!can("question") && choice.chosen && <small>{m.vision.noQuestions(choice.chosen.id)}</small>}
          {!given && <small>{m.vision.first}</small>}
          <JobState job={job} text={m.vision.looking} />
          <ol class="said" aria-label={m.vision.results}>{said.value.map((one) => <Answer key={one.key} one={one} />)}</ol>
          {said.value.length > 1 && !job.busy && <button type="button" class="link" onClick={() => (said.value = [])}>{m.vision.clear}</button>}
        </section>
      </div>
    </TaskPage>
  );
}

function Answer({ one }: { one: Said }) {
  const took = one.ms === null ? null : one.ms - (one.load_ms ?? 0);
  return (
    <li>
      <p class="said-question" dir="auto">{one.question ?? m.vision.caption} <small>{one.picture}</small></p>
      <p class="said-text" dir="auto">{one.text}</p>
      <div class="row">
        <Figures values={[one.model, took === null ? null : duration(took), one.load_ms ? m.tasks.load(duration(one.load_ms)) : null, one.tokens === null ? null : m.tasks.tokens(one.tokens), one.tokens !== null && took !== null ? rate(perSecond(one.tokens, took)) : null]} />
        <span class="spring" />
        <CopyButton label={m.copy} text={() => one.text} />
      </div>
    </li>
  );
}
