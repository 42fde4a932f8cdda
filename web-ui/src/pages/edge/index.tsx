import { Alert, PageSection, Spinner } from "@patternfly/react-core";
import { useQuery } from "@tanstack/react-query";

import { roleAt } from "../../api/client";
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
  const { data: edge, error, refetch } = useQuery({ queryKey: ["edge"], queryFn: () => roleAt<Edge>("/edge"), refetchInterval: 5000 });
  const head = <Head title={w.title} text={w.text} />;
  if (edge === null) return <>{head}<PageSection><Alert component="p" isInline variant="warning" title={w.away}>{w.awayText}</Alert></PageSection></>;
  if (!edge) return <>{head}<PageSection>{error ? <Failure error={error} again={() => void refetch()} /> : <Spinner aria-label={common.loading} />}</PageSection></>;
  return (
    <>
      {head}
      <PageSection><Bans /></PageSection>
      <PageSection><Tracing /></PageSection>
      {edge.steering && <PageSection><Ring of={edge.steering} /></PageSection>}
      <PageSection><Counters of={edge.counters} /></PageSection>
      <PageSection><Samples /></PageSection>
      <PageSection><Feeds of={edge.feeds} /></PageSection>
      <PageSection><Interfaces of={edge.interfaces} /></PageSection>
    </>
  );
}
