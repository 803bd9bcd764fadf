// The Compare tab.

import { Ellipsis, Pencil, Plus, Trash2 } from "lucide";
import { useEffect } from "preact/hooks";
import { m } from "../i18n";
import { closeNarrowSide } from "../layout";
import { dateGroup } from "../lib/format";
import { comparePath, go, route } from "../router";
import { IconButton } from "../ui/button";
import { asked } from "../ui/dialog";
import { Icon } from "../ui/icon";
import { Menu } from "../ui/popover";
import "../styles/compare.css";
import { Result } from "./result";
import { Setup } from "./setup";
import { fetchMore, hasMore, list, open, problem, refreshList, remove, rename, reread } from "./state";

export default function ComparePage() {
  const here = route.value;
  const id = here.tab === "compare" ? here.id : null;
  const title = id ? open.value?.title : m.tabs.compare;
  useEffect(() => {
    document.title = `${title ?? m.tabs.compare} – ${m.name}`;
  }, [title]);
  if (id === null) return <Setup />;
  if (problem.value) {
    const gone = problem.value === "gone";
    return (
      <div class="message-page">
        <h1>{gone ? m.chat.goneTitle : m.unreachable}</h1>
        {gone && <p>{m.compare.gone}</p>}
        <button type="button" class="button primary" onClick={() => (gone ? go("/compare", true) : reread())}>{gone ? m.compare.new : m.retry}</button>
      </div>
    );
  }
  return open.value ? <Result key={open.value.id} comparison={open.value} /> : <div class="compare-page" aria-busy="true" />;
}

export function Sidebar() {
  const here = route.value;
  const id = here.tab === "compare" ? here.id : null;
  useEffect(() => void refreshList(), []);
  let last = "";
  return (
    <>
      <div class="side-top">
        <a class="button new-chat" href="/compare" onClick={closeNarrowSide}><Icon of={Plus} size={16} /> {m.compare.new}</a>
      </div>
      <nav class="side-list" aria-label={m.compare.earlier}>
        {list.value?.length === 0 && <p class="quiet">{m.compare.none}</p>}
        <ul>
          {(list.value ?? []).flatMap((one) => {
            const group = dateGroup(one.created_ms);
            const heading = group === last ? null : <li class="heading" key={group}><h2>{m.side[group]}</h2></li>;
            last = group;
            return [heading, (
              <li key={one.id} class={one.id === id ? "open" : ""}>
                <a class="entry" href={comparePath(one.id)} aria-current={one.id === id ? "page" : undefined} onClick={closeNarrowSide}>
                  <span class="entry-title" dir="auto">{one.title}</span>
                  <span class="entry-tags">{one.request?.columns?.map((column) => column.label || column.model).join(" / ")}</span>
                </a>
                <Menu label={m.side.menu(one.title)} align="end" button={(properties) => <IconButton icon={Ellipsis} size={16} class="entry-menu" label={m.side.menu(one.title)} {...properties} />}
                  entries={() => [
                    { label: m.rename, icon: Pencil, act: async () => { const title = await asked(m.rename, one.title); if (title?.trim()) await rename(one.id, title.trim()); } },
                    { label: m.chat.delete, icon: Trash2, danger: true, act: () => void remove(one.id) },
                  ]} />
              </li>
            )];
          })}
        </ul>
        {hasMore.value && <button type="button" class="link more" onClick={fetchMore}>{m.more}</button>}
      </nav>
    </>
  );
}
