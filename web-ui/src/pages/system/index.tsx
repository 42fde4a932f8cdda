import { Alert, PageSection, Spinner } from "@patternfly/react-core";
import { useQuery } from "@tanstack/react-query";

import { api, Refused } from "../../api/client";
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
  const system = useQuery({ queryKey: ["system"], queryFn: () => api<System>("GET", "/system"), refetchInterval: 3000 });
  const isAway = system.error instanceof Refused && system.error.status === 503;
  if (system.isPending) return <><Head title={w.title} text={w.text} /><PageSection><Spinner aria-label={common.loading} /></PageSection></>;
  if (!system.data || isAway) {
    return (
      <>
        <Head title={w.title} text={w.text} />
        <PageSection>{isAway ? <Alert component="p" isInline variant="info" title={w.away}>{w.awayText}</Alert> : <Failure error={system.error ?? new Error()} again={() => void system.refetch()} />}</PageSection>
        {isAway && <PageSection><Certificate /></PageSection>}
      </>
    );
  }
  return (
    <>
      <Head title={w.title} text={w.text} />
      {system.isError && <PageSection><Failure error={system.error} /></PageSection>}
      <PageSection><Health system={system.data} /></PageSection>
      <May ask="POST /system/update"><PageSection><Update system={system.data} /></PageSection></May>
      <Rolling />
      <PageSection><Certificate /></PageSection>
      <PageSection><Machine /></PageSection>
      <May ask="POST /system/reboot"><PageSection><Power /></PageSection></May>
    </>
  );
}
