import { Button, Masthead, MastheadBrand, MastheadContent, MastheadMain, MastheadToggle, Nav, NavItem, NavList, Page, PageSection, PageSidebar, PageSidebarBody, PageToggleButton, SkipToContent, Spinner, Toolbar, ToolbarContent, ToolbarGroup, ToolbarItem } from "@patternfly/react-core";
import BarsIcon from "@patternfly/react-icons/dist/esm/icons/bars-icon";
import MoonIcon from "@patternfly/react-icons/dist/esm/icons/moon-icon";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { lazy, Suspense, useEffect, useLayoutEffect, useState, type ComponentType } from "react";

import { api, session, type Session } from "./api/client";
import { useTongue } from "./i18n";
import { FirstPassword, Login } from "./pages/Login";
import { SetUp } from "./pages/SetUp";
import { Failure } from "./parts/Failure";
import { Mishap } from "./parts/Mishap";
import { SaidProvider, useAct } from "./parts/Said";
import { to, usePlace } from "./route";

export interface PageProps { dark: boolean; who: Session }

/** In the order of the menu. */
const PAGES = {
  overview: lazy(() => import("./pages/Overview")),
  tracking: lazy(() => import("./pages/tracking")),
  quarantine: lazy(() => import("./pages/quarantine")),
  queue: lazy(() => import("./pages/queue")),
  policy: lazy(() => import("./pages/policy")),
  edge: lazy(() => import("./pages/edge")),
  cluster: lazy(() => import("./pages/cluster")),
  system: lazy(() => import("./pages/system")),
  settings: lazy(() => import("./pages/settings")),
  access: lazy(() => import("./pages/access")),
  audit: lazy(() => import("./pages/Audit")),
} satisfies Record<string, ComponentType<PageProps>>;
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

export function App() {
  const { words, language, change } = useTongue();
  const [dark, setDark] = useDark();
  const who = useQuery({ queryKey: ["session"], queryFn: session });
  const [later, setLater] = useState(false);
  const other = language === "de" ? "en" : "de";
  const looks = (
    <>
      <Button variant="plain" aria-label={words.theme} aria-pressed={dark} icon={<MoonIcon />} onClick={() => setDark(!dark)} />
      <Button variant="plain" lang={other} onClick={() => change(other)}>{words.language}</Button>
    </>
  );
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
  const name = NAMES.find((n) => n === page) ?? "overview";
  const Shown: ComponentType<PageProps> = PAGES[name];
  const logout = useAct(() => api("DELETE", "/session"), () => {
    queries.clear();
    queries.setQueryData(["session"], null);
  });
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
            {NAMES.map((n) => <NavItem key={n} itemId={n} isActive={n === name} to={to(n)}>{words[n]}</NavItem>)}
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
