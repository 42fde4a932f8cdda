import { Alert, Button, Masthead, MastheadBrand, MastheadContent, MastheadMain, Page, PageSection, Spinner, Toolbar, ToolbarContent, ToolbarGroup, ToolbarItem } from "@patternfly/react-core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState, type ReactNode } from "react";

import { api, become, follow, userSession, type Schemas } from "../../api/client";
import { useTongue, useWords } from "../../i18n";
import { Failure } from "../../parts/Failure";
import { Mishap } from "../../parts/Mishap";
import { useAct } from "../../parts/Said";
import { go, to, usePlace } from "../../route";
import { Asking } from "../Login";
import { HeldForMe } from "./HeldForMe";
import { words } from "./words";

/** For the people who receive mail: nothing here is an administrator's. A link leads to `#/own/…`, and is used up by a button. */
export default function Own({ looks }: { looks: ReactNode }) {
  const w = useWords(words);
  const { words: common } = useTongue();
  const queries = useQueryClient();
  const { item: link } = usePlace();
  const who = useQuery({ queryKey: ["user"], queryFn: userSession });
  if (who.isPending) return <Spinner aria-label={common.loading} />;
  if (who.isError) return <Failure error={who.error} again={() => void who.refetch()} />;
  if (link) {
    const open = async () => {
      become(queries, "user", await follow(link));
      go(to("own"));
    };
    return <Asking key={link} title={w.openTitle} text={w.openText} fields={[]} button={w.open} act={open} aside={looks} />;
  }
  return who.data ? <Quarantine user={who.data} looks={looks} /> : <Ask looks={looks} />;
}

function Ask({ looks }: { looks: ReactNode }) {
  const w = useWords(words);
  const [asked, setAsked] = useState(false);
  const ask = async (values: Record<string, string>) => {
    await api("POST", "/user/links", { address: (values["address"] ?? "").trim() });
    setAsked(true);
  };
  if (asked) return <main className="postern-login" aria-live="polite"><Alert component="h1" isInline variant="info" title={w.asked} />{looks}</main>;
  return <Asking key="ask" title={w.askTitle} text={w.askText} fields={[{ id: "address", label: w.address, type: "text", autoComplete: "email" }]} button={w.ask} act={ask} aside={looks} />;
}

function Quarantine({ user, looks }: { user: Schemas["UserInfo"]; looks: ReactNode }) {
  const w = useWords(words);
  const { words: common } = useTongue();
  const queries = useQueryClient();
  const logout = useAct(() => api("DELETE", "/user/session"), () => become(queries, "user", null));
  const masthead = (
    <Masthead>
      <MastheadMain><MastheadBrand><span className="postern-brand"><img src="/icon.svg" alt="" width="24" height="24" />Postern</span></MastheadBrand></MastheadMain>
      <MastheadContent>
        <Toolbar isStatic>
          <ToolbarContent>
            <ToolbarGroup align={{ default: "alignEnd" }} alignItems="center">
              <ToolbarItem>{looks}</ToolbarItem>
              <ToolbarItem><Button variant="secondary" size="sm" isDisabled={logout.isPending} onClick={() => logout.mutate(undefined)}>{common.logout}</Button></ToolbarItem>
            </ToolbarGroup>
          </ToolbarContent>
        </Toolbar>
      </MastheadContent>
    </Masthead>
  );
  return (
    <Page masthead={masthead} mainContainerId="main">
      <Mishap><HeldForMe title={w.title} text={w.text.replace("{address}", () => user.address)} lists={user.lists} /></Mishap>
      <PageSection />
    </Page>
  );
}
