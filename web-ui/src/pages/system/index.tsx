import { Alert, PageSection, Spinner } from "@patternfly/react-core";
import { useQuery } from "@tanstack/react-query";

import { roleAt } from "../../api/client";
import type { System } from "../../api/shapes";
import { useTongue, useWords } from "../../i18n";
import { Failure } from "../../parts/Failure";
import { Head } from "../../parts/Head";
import { May } from "../../parts/May";
import { Certificate } from "./Certificate";
import { Health } from "./Health";
import { Machine } from "./Machine";
import { Power } from "./Power";
import { Rolling, Update } from "./Update";
import { words } from "./words";

export default function SystemPage() {
  const w = useWords(words);
  const { words: common } = useTongue();
  const { data: system, error, refetch } = useQuery({ queryKey: ["system"], queryFn: () => roleAt<System>("/system"), refetchInterval: 3000 });
  const failure = error && <PageSection><Failure error={error} again={() => void refetch()} /></PageSection>;
  const head = <Head title={w.title} text={w.text} />;
  if (system === undefined) return <>{head}{failure ?? <PageSection><Spinner aria-label={common.loading} /></PageSection>}</>;
  // The certificate keeps its place, and what is typed there, when the role comes or goes.
  return (
    <>
      {head}
      {failure}
      {system ? <Kept system={system} /> : <PageSection><Alert component="p" isInline variant="info" title={w.away}>{w.awayText}</Alert></PageSection>}
      <PageSection><Certificate /></PageSection>
      {system && <PageSection><Machine /></PageSection>}
      {system && <May ask="POST /system/reboot"><PageSection><Power /></PageSection></May>}
    </>
  );
}

function Kept({ system }: { system: System }) {
  return (
    <>
      <PageSection><Health system={system} /></PageSection>
      <May ask="POST /system/update"><PageSection><Update system={system} /></PageSection></May>
      <Rolling />
    </>
  );
}
