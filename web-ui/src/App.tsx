import { Button, Masthead, MastheadBrand, MastheadContent, MastheadMain, MastheadToggle, Nav, NavItem, NavList, Page, PageSection, PageSidebar, PageSidebarBody, PageToggleButton, SkipToContent, Spinner, Toolbar, ToolbarContent, ToolbarGroup, ToolbarItem } from "@patternfly/react-core";
import BarsIcon from "@patternfly/react-icons/dist/esm/icons/bars-icon";
import MoonIcon from "@patternfly/react-icons/dist/esm/icons/moon-icon";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { lazy, Suspense, useEffect, useLayoutEffect, useState, type ComponentType } from "react";

import { api, become, session, type Session } from "./api/client";
import { useMay, type Operation } from "./api/may";
import { useTongue } from "./i18n";
import { FirstPassword, Login } from "./pages/Login";
import { SetUp } from "./pages/SetUp";
import { Failure } from "./parts/Failure";
import { Mishap } from "./parts/Mishap";
import { SaidProvider, useAct } from "./parts/Said";
import { to, usePlace } from "./route";

export interface PageProps { dark: boolean; who: Session }

/** In the order of the menu, each with what it asks first: who may not ask that has no use for the page. */
const PAGES = {
  overview: [lazy(() => import("./pages/Overview")), "GET /counters"],
  tracking: [lazy(() => import("./pages/tracking")), "GET /journeys"],
  quarantine: [lazy(() => import("./pages/quarantine")), "GET /quarantine"],
  queue: [lazy(() => import("./pages/queue")), "GET /queue"],
  reports: [lazy(() => import("./pages/reports")), "GET /reports"],
  policy: [lazy(() => import("./pages/policy")), "GET /policy"],
  detection: [lazy(() => import("./pages/detection")), "GET /symbols/hits"],
  domains: [lazy(() => import("./pages/domains")), "GET /domains"],
  edge: [lazy(() => import("./pages/edge")), "GET /edge"],
  cluster: [lazy(() => import("./pages/cluster")), "GET /cluster"],
  system: [lazy(() => import("./pages/system")), "GET /system"],
  backups: [lazy(() => import("./pages/backups")), "GET /backups/status"],
  settings: [lazy(() => import("./pages/settings")), "GET /settings"],
  access: [lazy(() => import("./pages/access")), "GET /session"],
  audit: [lazy(() => import("./pages/Audit")), "GET /audit"],
} satisfies Record<string, [ComponentType<PageProps>, Operation]>;
type PageName = keyof typeof PAGES;
const NAMES = Object.keys(PAGES) as PageName[];
/** Below this PatternFly lays the menu over the page. */
const WIDE = "(min-width: 75rem)";

function useDark(): [boolean, (dark: boolean) => void] {
  const kept = localStorage.getItem("postern.theme");
  const [dark, setDark] = useState(kept ? kept === "dark" : matchMedia("(prefers-color-scheme: dark)").matches);
  // Before the effects of what is drawn in these colours (the chart asks what its ink is).
  useLayoutEffect(() => {
    document.documentElement.classList.toggle("pf-v6-theme-dark", dark);
  }, [dark]);
  return [dark, (next) => {
    localStorage.setItem("postern.theme", next ? "dark" : "light");
    setDark(next);
  }];
}

function useMenu(): [boolean, (open: boolean) => void] {
  const [open, setOpen] = useState(() => matchMedia(WIDE).matches);
  useEffect(() => {
    const wide = matchMedia(WIDE);
    const changed = () => setOpen(wide.matches);
    wide.addEventListener("change", changed);
    return () => wide.removeEventListener("change", changed);
  }, []);
  return [open, setOpen];
}

/** What the people who receive mail see; it comes with nothing of the administrators' pages. */
const Own = lazy(() => import("./pages/own"));

export function App() {
  const { words, language, change } = useTongue();
  const [dark, setDark] = useDark();
  const { page } = usePlace();
  const other = language === "de" ? "en" : "de";
  const looks = (
    <>
      <Button variant="plain" aria-label={words.theme} aria-pressed={dark} icon={<MoonIcon />} onClick={() => setDark(!dark)} />
      <Button variant="plain" lang={other} onClick={() => change(other)}>{words.language}</Button>
    </>
  );
  if (page === "own") return <SaidProvider><Suspense fallback={<Spinner aria-label={words.loading} />}><Own looks={looks} /></Suspense></SaidProvider>;
  return <Administration dark={dark} looks={looks} />;
}

function Administration({ dark, looks }: { dark: boolean; looks: React.ReactNode }) {
  const { words } = useTongue();
  const who = useQuery({ queryKey: ["session"], queryFn: session, refetchInterval: (query) => (query.state.status === "error" ? 3_000 : false) });
  const [later, setLater] = useState(false);
  if (who.isPending) return <Spinner aria-label={words.loading} />;
  if (who.isError) return <Failure error={who.error} again={() => void who.refetch()} />;
  if (!who.data) return <Login aside={looks} />;
  if (who.data.one_time_password) return <FirstPassword aside={looks} />;
  if (who.data.not_set_up && !later) return <SetUp aside={looks} later={() => setLater(true)} />;
  return <SaidProvider><Console who={who.data} dark={dark} looks={looks} /></SaidProvider>;
}

function Console({ who, dark, looks }: { who: Session; dark: boolean; looks: React.ReactNode }) {
  const { words } = useTongue();
  const [open, setOpen] = useMenu();
  const queries = useQueryClient();
  const { page } = usePlace();
  const may = useMay();
  const names = NAMES.filter((n) => may(PAGES[n][1]));
  const name = names.find((n) => n === page) ?? "overview";
  const Shown: ComponentType<PageProps> = PAGES[name][0];
  const logout = useAct(() => api("DELETE", "/session"), () => become(queries, "session", null));
  const masthead = (
    <Masthead>
      <MastheadMain>
        <MastheadToggle><PageToggleButton variant="plain" aria-label={words.menu} isSidebarOpen={open} onSidebarToggle={() => setOpen(!open)}><BarsIcon /></PageToggleButton></MastheadToggle>
        <MastheadBrand><a className="postern-brand" href={to("overview")}><img src="/icon.svg" alt="" width="24" height="24" />Postern</a></MastheadBrand>
      </MastheadMain>
      <MastheadContent>
        <Toolbar isStatic>
          <ToolbarContent>
            <ToolbarGroup align={{ default: "alignEnd" }} alignItems="center">
              <ToolbarItem>{looks}</ToolbarItem>
              <ToolbarItem className="postern-narrow-hide">{who.name}</ToolbarItem>
              <ToolbarItem><Button variant="secondary" size="sm" isDisabled={logout.isPending} onClick={() => logout.mutate(undefined)}>{words.logout}</Button></ToolbarItem>
            </ToolbarGroup>
          </ToolbarContent>
        </Toolbar>
      </MastheadContent>
    </Masthead>
  );
  const sidebar = (
    <PageSidebar isSidebarOpen={open}>
      <PageSidebarBody>
        <Nav aria-label={words.pages} onSelect={() => setOpen(matchMedia(WIDE).matches)}>
          <NavList>
            {names.map((n) => <NavItem key={n} itemId={n} isActive={n === name} to={to(n)}>{words[n]}</NavItem>)}
          </NavList>
        </Nav>
      </PageSidebarBody>
    </PageSidebar>
  );
  return (
    <Page masthead={masthead} sidebar={sidebar} mainContainerId="main" skipToContent={<SkipToContent href="#main" onClick={(event) => { event.preventDefault(); document.getElementById("main")?.focus(); }}>{words.skip}</SkipToContent>}>
      <Mishap key={name}>
        <Suspense fallback={<PageSection><Spinner aria-label={words.loading} /></PageSection>}><Shown dark={dark} who={who} /></Suspense>
      </Mishap>
    </Page>
  );
}
