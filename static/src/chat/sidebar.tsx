// The side bar of the Chat tab.

import { useSignal } from "@preact/signals";
import { Archive, ArchiveRestore, Check, CircleAlert, Code, Download, Ellipsis, ListChecks, Pencil, Pin, PinOff, Plus, Search, Sparkles, Tags, Trash2, Upload, X } from "lucide";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { type Conversation, type Hit, api } from "../api";
import { m } from "../i18n";
import { closeNarrowSide, setSide } from "../layout";
import { bytes } from "../lib/format";
import { chatPath, go } from "../router";
import { store } from "../server";
import { onKey } from "../shortcuts";
import { IconButton } from "../ui/button";
import { showCode } from "../ui/code-dialog";
import { asked } from "../ui/dialog";
import { Icon } from "../ui/icon";
import { attempt } from "../ui/notice";
import { Menu } from "../ui/popover";
import { archivedShown, change, changed, fetchMore, groups, hasMore, hits, importFile, list, query, refreshList, removeAll, searchFor, selection, tagShown, tags } from "./list";
import { newChat, openId } from "./state";

export function ChatSidebar() {
  const field = useRef<HTMLInputElement>(null);
  const end = useRef<HTMLDivElement>(null);
  useEffect(() => void refreshList(), [archivedShown.value, tagShown.value]);
  useEffect(() => onKey("search", () => {
    setSide(true);
    field.current?.select();
    // A side bar that is only now becoming visible cannot take the focus yet.
    setTimeout(() => field.current?.focus(), 20);
  }), []);
  useEffect(() => {
    if (!hasMore.value) return;
    const observer = new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && void fetchMore(), { rootMargin: "600px" });
    observer.observe(end.current!);
    return () => observer.disconnect();
  }, [hasMore.value, list.value]);
  const start = () => {
    newChat();
    closeNarrowSide();
  };
  return (
    <>
      <div class="side-top">
        <div class="search">
          <Icon of={Search} size={16} />
          <input ref={field} type="search" placeholder={m.side.search} aria-label={m.side.searchHint} value={query.value} onInput={(event) => searchFor(event.currentTarget.value)}
            onKeyDown={(event) => { if (event.key === "Escape" && query.value) { event.preventDefault(); event.stopPropagation(); searchFor(""); } }} />
          {query.value ? <IconButton icon={X} size={14} label={m.side.clear} onClick={() => searchFor("")} /> : <kbd>Ctrl K</kbd>}
        </div>
        <div class="row">
          <button type="button" class="button new-chat" onClick={start} title="Ctrl+Shift+O"><Icon of={Plus} size={16} /> {m.side.newChat}</button>
          <ListMenu />
        </div>
        {tags.value.length > 0 && !hits.value && <TagFilter />}
      </div>
      {selection.value ? <SelectionBar /> : null}
      <nav class="side-list" aria-label={m.side.label}>
        {hits.value ? <Hits hits={hits.value} /> : <Groups />}
        <div ref={end} />
      </nav>
      <SaveState />
    </>
  );
}

function TagFilter() {
  return (
    <div class="tag-filter">
      {tags.value.slice(0, 12).map(({ tag, count }) => (
        <button type="button" class="tag" key={tag} aria-pressed={tagShown.value === tag} title={m.side.filter} onClick={() => (tagShown.value = tagShown.value === tag ? null : tag)}>
          <span dir="auto">{tag}</span> <small>{count}</small>
        </button>
      ))}
    </div>
  );
}

function ListMenu() {
  const file = useRef<HTMLInputElement>(null);
  return (
    <>
      <input ref={file} type="file" hidden accept="application/json,.json" onChange={(event) => {
        const chosen = event.currentTarget.files?.[0];
        if (chosen) void importFile(chosen);
        event.currentTarget.value = "";
      }} />
      <Menu label={m.side.listMenu} align="end" button={(properties) => <IconButton icon={Ellipsis} label={m.side.listMenu} {...properties} />}
        entries={() => [
          { label: m.side.select, icon: ListChecks, act: () => (selection.value = new Set()) },
          { label: archivedShown.value ? m.side.hideArchived : m.side.showArchived, icon: Archive, act: () => (archivedShown.value = !archivedShown.value) },
          "-",
          { label: m.side.import, icon: Upload, act: () => file.current!.click() },
          { label: m.side.exportAll("JSON"), icon: Download, href: api.export(null, "json") },
          { label: m.side.exportAll("Markdown"), icon: Download, href: api.export(null, "markdown") },
          "-",
          { label: m.chat.asCode, icon: Code, act: () => showCode({ method: "GET", path: "/api/conversations?limit=50" }) },
        ]} />
    </>
  );
}

function Groups() {
  if (!list.value) return <p class="quiet">{m.loading}</p>;
  const filtered = archivedShown.value || tagShown.value !== null;
  return (
    <>
      {filtered && (
        <p class="filter-line">
          <span>{archivedShown.value ? m.side.archived : tagShown.value}</span>
          <button type="button" class="link" onClick={() => { archivedShown.value = false; tagShown.value = null; }}>{m.side.hideArchived}</button>
        </p>
      )}
      {groups.value.length === 0 && <p class="quiet">{archivedShown.value ? m.side.noneArchived : tagShown.value ? m.side.noneTagged : m.side.none}</p>}
      {groups.value.map(([group, members]) => (
        <section key={group}>
          <h2>{m.side[group]}</h2>
          <ul>{members.map((conversation) => <Entry key={conversation.id} conversation={conversation} />)}</ul>
        </section>
      ))}
    </>
  );
}

function Entry({ conversation }: { conversation: Conversation }) {
  const renaming = useSignal(false);
  const { id } = conversation;
  const title = conversation.title || m.side.untitled;
  const chosen = selection.value;
  if (renaming.value) return <li><Rename conversation={conversation} done={() => (renaming.value = false)} /></li>;
  if (chosen) {
    const flip = () => {
      const next = new Set(chosen);
      if (!next.delete(id)) next.add(id);
      selection.value = next;
    };
    return (
      <li>
        <label class="entry choose"><input type="checkbox" checked={chosen.has(id)} onChange={flip} /><span class="entry-title" dir="auto">{title}</span></label>
      </li>
    );
  }
  return (
    <li class={openId.value === id ? "open" : ""}>
      <a class="entry" href={chatPath(id)} aria-current={openId.value === id ? "page" : undefined} title={title} onClick={closeNarrowSide} onDblClick={() => (renaming.value = true)}>
        <span class="entry-title" dir="auto">{title}</span>
        {conversation.tags.length > 0 && <span class="entry-tags" dir="auto">{conversation.tags.join(", ")}</span>}
      </a>
      <EntryMenu conversation={conversation} rename={() => (renaming.value = true)} />
    </li>
  );
}

function Rename({ conversation, done }: { conversation: Conversation; done: () => void }) {
  const field = useRef<HTMLInputElement>(null);
  useLayoutEffect(() => field.current?.select(), []);
  const save = () => {
    // Going away takes the focus away, which would save a second time.
    const title = field.current?.value.trim();
    done();
    if (title && title !== conversation.title) void change(conversation.id, { title });
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.isComposing) return;
    if (event.key === "Enter") save();
    else if (event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      field.current!.value = conversation.title;
      done();
    }
  };
  return <input ref={field} class="rename" type="text" dir="auto" maxLength={300} aria-label={m.rename} value={conversation.title} onKeyDown={onKeyDown} onBlur={save} />;
}

function EntryMenu({ conversation, rename }: { conversation: Conversation; rename: () => void }) {
  const { id, pinned, archived } = conversation;
  const setTags = async () => {
    const text = await asked(m.side.tagsTitle, conversation.tags.join(", "), m.side.tagsHint);
    if (text !== null) await change(id, { tags: [...new Set(text.split(",").map((tag) => tag.trim()).filter(Boolean))] });
  };
  const suggest = () => attempt(async () => {
    const fresh = await api.suggestTitle(id);
    for (const listener of changed) listener(fresh);
  });
  return (
    <Menu label={m.side.menu(conversation.title)} align="end" button={(properties) => <IconButton icon={Ellipsis} size={16} class="entry-menu" label={m.side.menu(conversation.title || m.side.untitled)} {...properties} />}
      entries={() => [
        { label: m.rename, icon: Pencil, act: rename },
        { label: m.side.suggest, icon: Sparkles, act: () => void suggest() },
        { label: pinned ? m.side.unpin : m.side.pin, icon: pinned ? PinOff : Pin, act: () => void change(id, { pinned: !pinned }) },
        { label: m.side.tags, icon: Tags, act: () => void setTags() },
        { label: archived ? m.side.unarchive : m.side.archive, icon: archived ? ArchiveRestore : Archive, act: () => void change(id, { archived: !archived }) },
        "-",
        { label: m.side.exportAs("Markdown"), icon: Download, href: api.export(id, "markdown") },
        { label: m.side.exportAs("JSON"), icon: Download, href: api.export(id, "json") },
        { label: m.side.exportAs("text"), icon: Download, href: api.export(id, "text") },
        { label: m.chat.asCode, icon: Code, act: () => showCode({ method: "GET", path: `/api/conversations/${id}` }) },
        "-",
        { label: m.chat.delete, icon: Trash2, danger: true, act: () => void removeAll([id]) },
      ]} />
  );
}

function SelectionBar() {
  const chosen = [...selection.value!];
  const archive = async (archived: boolean) => {
    for (const id of chosen) await change(id, { archived });
    selection.value = null;
  };
  return (
    <div class="selection-bar">
      <span>{m.side.selected(chosen.length)}</span>
      <span class="spring" />
      <button type="button" class="link" onClick={() => (selection.value = new Set(list.value?.map((one) => one.id)))}>{m.side.selectAll}</button>
      <IconButton icon={archivedShown.value ? ArchiveRestore : Archive} size={16} label={archivedShown.value ? m.side.unarchive : m.side.archive} disabled={chosen.length === 0} onClick={() => archive(!archivedShown.value)} />
      <IconButton icon={Trash2} size={16} label={m.remove} disabled={chosen.length === 0} onClick={() => removeAll(chosen)} />
      <IconButton icon={X} size={16} label={m.side.done} onClick={() => (selection.value = null)} />
    </div>
  );
}

function Hits({ hits: found }: { hits: Hit[] }) {
  return (
    <>
      <p class="quiet" role="status">{m.side.found(found.length)}</p>
      <ul>
        {found.map((hit) => (
          <li key={hit.conversation.id + hit.message} class={openId.value === hit.conversation.id ? "open" : ""}>
            <a class="entry hit" href={chatPath(hit.conversation.id, hit.message)} onClick={(event) => { event.preventDefault(); go(chatPath(hit.conversation.id, hit.message)); closeNarrowSide(); }}>
              <span class="entry-title" dir="auto">{hit.conversation.title || m.side.untitled}</span>
              <span class="snippet-line" dir="auto">{marked(hit)}</span>
            </a>
          </li>
        ))}
      </ul>
    </>
  );
}

function marked({ snippet, highlights }: Hit) {
  const parts = [];
  let at = 0;
  for (const [from, to] of highlights) {
    if (from < at) continue;
    parts.push(snippet.slice(at, from), <mark>{snippet.slice(from, to)}</mark>);
    at = to;
  }
  return [...parts, snippet.slice(at)];
}

function SaveState() {
  const state = store.value;
  const saved = state?.saved ?? null;
  const hint = state ? m.side.savedHint(state.path, bytes(state.bytes)) : undefined;
  return (
    <div class={`save-state ${saved === false ? "bad" : ""}`}>
      <Icon of={saved === false ? CircleAlert : Check} size={16} />
      <span title={hint}>{saved === null ? m.side.unknown : saved ? m.side.saved : m.side.notSaved}</span>
      <span class="spring" />
      <a href="/docs" target="_blank">{m.side.api}</a>
    </div>
  );
}
