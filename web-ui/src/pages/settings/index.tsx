import { PageSection, Spinner, ToggleGroup, ToggleGroupItem } from "@patternfly/react-core";
import { useQuery } from "@tanstack/react-query";

import { api, type Schemas } from "../../api/client";
import { useTongue, useWords } from "../../i18n";
import { Failure } from "../../parts/Failure";
import { Head } from "../../parts/Head";
import { go, to, usePlace } from "../../route";
import { SettingsFile } from "./File";
import { SettingsForm } from "./Form";
import { SettingsHistory } from "./History";
import type { Schema } from "./schema";
import { words } from "./words";

export default function Settings() {
  const w = useWords(words);
  const { words: common } = useTongue();
  const { item } = usePlace();
  // The schema changes with the version only. The settings are shown once they were asked for now, and not loaded anew under somebody
  // who edits them.
  const schema = useQuery({ queryKey: ["settings-schema"], queryFn: () => api<Schema>("GET", "/settings/schema"), staleTime: Infinity });
  const view = useQuery({ queryKey: ["settings"], queryFn: () => api<Schemas["SettingsView"]>("GET", "/settings"), refetchOnMount: "always", refetchOnWindowFocus: false });
  const tab = item === "file" || item === "history" ? item : "form";
  const error = view.error ?? schema.error;
  const tabs = (
    <ToggleGroup aria-label={w.title}>
      {([["form", w.form, ""], ["file", w.file, "file"], ["history", w.history, "history"]] as const).map(([name, text, there]) => (
        <ToggleGroupItem key={name} text={text} buttonId={`settings-${name}`} isSelected={tab === name} onChange={() => go(to("settings", there))} />
      ))}
    </ToggleGroup>
  );
  return (
    <>
      <Head title={w.title} text={w.text}>{tabs}</Head>
      <PageSection>
        {tab === "history" ? <SettingsHistory /> : !view.data || !schema.data || !view.isFetchedAfterMount ? (
          error ? <Failure error={error} again={() => { void view.refetch(); void schema.refetch(); }} /> : <Spinner aria-label={common.loading} />
        ) : tab === "file" ? <SettingsFile view={view.data} key={view.data.digest} /> : <SettingsForm section={item} schema={schema.data} view={view.data} />}
      </PageSection>
    </>
  );
}
