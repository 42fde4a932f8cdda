import { Alert, PageSection, Spinner } from "@patternfly/react-core";
import { useQuery } from "@tanstack/react-query";

import { api, Refused } from "../../api/client";
import type { Edge } from "../../api/shapes";
import { useTongue, useWords } from "../../i18n";
import { Failure } from "../../parts/Failure";
import { Head } from "../../parts/Head";
import { Bans } from "./Bans";
import { Counters, Feeds, Interfaces, Samples } from "./Lists";
import { Ring } from "./Ring";
import { Tracing } from "./Tracing";
import { words } from "./words";

export default function EdgePage() {
  const w = useWords(words);
  const { words: common } = useTongue();
  const edge = useQuery({ queryKey: ["edge"], queryFn: () => api<Edge>("GET", "/edge"), refetchInterval: 5000 });
  const isAway = edge.error instanceof Refused && edge.error.status === 503;
  if (edge.isPending) return <><Head title={w.title} text={w.text} /><PageSection><Spinner aria-label={common.loading} /></PageSection></>;
  if (isAway || !edge.data) {
    return (
      <>
        <Head title={w.title} text={w.text} />
        <PageSection>{isAway ? <Alert component="p" isInline variant="warning" title={w.away}>{w.awayText}</Alert> : <Failure error={edge.error ?? new Error()} again={() => void edge.refetch()} />}</PageSection>
      </>
    );
  }
  return (
    <>
      <Head title={w.title} text={w.text} />
      <PageSection><Bans /></PageSection>
      <PageSection><Tracing /></PageSection>
      {edge.data.steering && <PageSection><Ring of={edge.data.steering} /></PageSection>}
      <PageSection><Counters of={edge.data.counters} /></PageSection>
      <PageSection><Samples /></PageSection>
      <PageSection><Feeds of={edge.data.feeds} /></PageSection>
      <PageSection><Interfaces of={edge.data.interfaces} /></PageSection>
    </>
  );
}
