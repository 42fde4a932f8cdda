import { PageSection, Spinner } from "@patternfly/react-core";

import { useCluster } from "../../api/nodes";
import { useTongue, useWords } from "../../i18n";
import { Failure } from "../../parts/Failure";
import { Head } from "../../parts/Head";
import { May } from "../../parts/May";
import { Alone } from "./Alone";
import { Duty } from "./Duty";
import { History } from "./History";
import { Invitations } from "./Invitations";
import { Members } from "./Members";
import { Copies, Troubles } from "./State";
import { words } from "./words";

export default function Cluster() {
  const w = useWords(words);
  const { words: common } = useTongue();
  const cluster = useCluster(5000);
  if (!cluster.data) {
    return (
      <>
        <Head title={w.title} />
        <PageSection>{cluster.isPending ? <Spinner aria-label={common.loading} /> : <Failure error={cluster.error ?? new Error()} again={() => void cluster.refetch()} />}</PageSection>
      </>
    );
  }
  if (!cluster.data.member) return <><Head title={w.title} text={w.textAlone} /><May ask="POST /cluster"><PageSection><Alone /></PageSection></May><PageSection><Duty /></PageSection></>;
  return (
    <>
      <Head title={cluster.data.name || w.title} text={w.text} />
      {(cluster.data.refused || cluster.data.unknown_settings.length > 0 || cluster.data.conflicts > 0) && <PageSection><Troubles cluster={cluster.data} /></PageSection>}
      <PageSection><Members cluster={cluster} /></PageSection>
      <PageSection><Duty member /></PageSection>
      <May ask="GET /cluster/invitations"><PageSection><Invitations /></PageSection></May>
      <May ask="GET /cluster/history"><PageSection><History /></PageSection></May>
      <PageSection><Copies cluster={cluster.data} /></PageSection>
    </>
  );
}
