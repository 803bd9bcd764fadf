// The frame: tabs, side bar, banner, and the part of the page that the address names.

import { useSignal } from "@preact/signals";
import { Keyboard, Monitor, Moon, PanelLeft, Sun, Menu as MenuIcon } from "lucide";
import { useEffect, useRef } from "preact/hooks";
import { ChatSidebar } from "./chat/sidebar";
import ChatPage from "./chat/page";
import { newChat } from "./chat/state";
import { away, nextTry, tryNow } from "./connection";
import { m } from "./i18n";
import { giveKey, keyWanted } from "./key";
import { closeNarrowSide, narrow, setSide, sideOpen } from "./layout";
import { percent } from "./lib/format";
import { type Route, route } from "./router";
import { catalog, info, models, store } from "./server";
import { keysOf, onKey, showKeys } from "./shortcuts";
import { TASKS, type Tab, type TabPage, offered } from "./tabs";
import { nextTheme, theme } from "./theme";
import { IconButton } from "./ui/button";
import { DialogHost } from "./ui/dialog";
import { Notices } from "./ui/notice";

/** Chat is there at once, everything else is loaded when it is opened. */
const TABS: readonly Tab[] = [
  { id: "chat", page: () => Promise.resolve({ default: ChatPage, Sidebar: ChatSidebar }) },
  { id: "compare", features: ["compare"], page: () => import("./compare/page") },
  ...TASKS,
];

export function Shell() {
  const tab = tabOf(route.value);
  const open = sideOpen();
  const tabs = TABS.filter((one) => offered(one, { features: info.value?.features ?? null, models: models.value, catalogue: catalog.value }));
  const bar = useRef<HTMLElement>(null);
  // On a phone there are more tabs than room.
  useEffect(() => bar.current?.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" }), [tab, tabs.length]);
  useEffect(() => {
    const undo = [onKey("side", () => setSide(!sideOpen())), onKey("newChat", () => { newChat(); closeNarrowSide(); })];
    return () => undo.forEach((one) => one());
  }, []);
  return (
    <>
      <a class="skip" href="#message" onClick={(event) => { event.preventDefault(); document.getElementById("message")?.focus(); }}>{m.skip}</a>
      <header class="top">
        {(tab === "chat" || tab === "compare") && <IconButton icon={narrow.value ? MenuIcon : PanelLeft} label={open ? m.side.close : m.side.open} keys={keysOf("side")} aria-expanded={open} aria-controls="side" onClick={() => setSide(!open)} />}
        <a class="brand" href="/">{m.name}</a>
        <nav class="tabs" ref={bar} aria-label={m.tabs.label}>
          {tabs.map((one) => <a key={one.id} href={one.id === "chat" ? "/" : `/${one.id}`} aria-current={tab === one.id ? "page" : undefined}>{m.tabs[one.id]}</a>)}
        </nav>
        <span class="spring" />
        <IconButton icon={{ light: Sun, dark: Moon, system: Monitor }[theme.value]} label={`${m.theme.label}: ${m.theme[theme.value]}`} onClick={nextTheme} />
        <IconButton icon={Keyboard} class="only-wide" label={m.keys.label} keys={keysOf("help")} onClick={showKeys} />
      </header>
      <Banner />
      <View key={tab} />
      <DialogHost />
      <Notices />
    </>
  );
}

const tabOf = (here: Route) => (here.tab === "task" ? here.task : here.tab);

function View() {
  const tab = tabOf(route.value);
  const loaded = useSignal<TabPage | null>(null);
  const failed = useSignal(false);
  const found = TABS.find((one) => one.id === tab);
  const load = () => {
    failed.value = false;
    found?.page().then((module) => (loaded.value = module), () => (failed.value = true));
  };
  useEffect(load, []);
  if (!found) return <main class="message-page"><h1>{m.notFoundPage}</h1><a class="button primary" href="/">{m.home}</a></main>;
  if (failed.value) return <main class="message-page"><h1>{m.unreachable}</h1><button type="button" class="button primary" onClick={load}>{m.retry}</button></main>;
  if (!loaded.value) return <main class="body" aria-busy="true" />;
  const { default: Page, Sidebar } = loaded.value;
  const open = sideOpen();
  return (
    <div class={`body ${Sidebar ? "has-side" : ""} ${open ? "side-open" : "side-closed"}`}>
      {Sidebar && (
        <>
          <aside id="side" class="side" aria-label={m.side.toggle} inert={!open}><Sidebar /></aside>
          <div class="backdrop side-backdrop" onClick={() => setSide(false)} />
        </>
      )}
      <main class="main"><Page /></main>
    </div>
  );
}

function Banner() {
  const loading = (models.value ?? []).find((model) => model.status.value === "loading");
  if (away.value) {
    return (
      <div class="banner bad" role="alert">
        <span>{m.banner.away} {m.banner.next(nextTry.value)}</span>
        <button type="button" class="button small" onClick={tryNow}>{m.retry}</button>
      </div>
    );
  }
  if (keyWanted.value) return <KeyForm wrong={keyWanted.value === "wrong"} />;
  if (store.value && !store.value.saved) return <div class="banner bad" role="alert">{m.banner.unsaved(store.value.reason ?? "")}</div>;
  if (loading) return <div class="banner"><span>{m.banner.loading(loading.id, percent(loading.status.progress))}</span><progress max={1} value={loading.status.progress} aria-label={m.loading} /></div>;
  return null;
}

/** Asks for the key of a server that wants one. */
function KeyForm({ wrong }: { wrong: boolean }) {
  return (
    <form class="banner bad key" onSubmit={(event) => {
      event.preventDefault();
      giveKey((event.currentTarget as HTMLFormElement).querySelector("input")!.value);
    }}>
      <label for="key"><span role="alert">{wrong ? m.key.wrong : m.key.missing}</span></label>
      <input id="key" type="password" autocomplete="current-password" required />
      <button type="submit" class="button small">{m.key.give}</button>
    </form>
  );
}
