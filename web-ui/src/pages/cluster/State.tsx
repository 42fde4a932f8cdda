import { Alert, Card, CardBody, CardTitle, Content, List, ListItem } from "@patternfly/react-core";
import { useQuery } from "@tanstack/react-query";

import { api } from "../../api/client";
import { useNodeNames } from "../../api/nodes";
import type { Cluster, Conflict } from "../../api/shapes";
import { useTongue, useWords } from "../../i18n";
import { Facts } from "../../parts/Facts";
import { Listing } from "../../parts/Listing";
import { May } from "../../parts/May";
import { words } from "./words";

/** What is wrong with what all share; nothing, most of the time. */
export function Troubles({ cluster }: { cluster: Cluster }) {
  const w = useWords(words);
  const { refused, unknown_settings: unknown } = cluster;
  return (
    <>
      {refused && <Alert component="p" isInline variant="danger" title={w.refused}><List isPlain>{refused.problems.map((p) => <ListItem key={p.path}><code>{p.path}</code> {p.message}</ListItem>)}</List></Alert>}
      {unknown.length > 0 && <Alert component="p" isInline variant="info" title={w.unknown}>{unknown.join(", ")}</Alert>}
      {cluster.conflicts > 0 && <May ask="GET /cluster/conflicts"><Conflicts count={cluster.conflicts} /></May>}
    </>
  );
}

/** Since the start of this node. */
export function Copies({ cluster: { copies } }: { cluster: Cluster }) {
  const w = useWords(words);
  const { number } = useTongue();
  return (
      <Card>
        <CardTitle component="h2">{w.copies}</CardTitle>
        <CardBody>
          <Facts of={[[w.shadowed, number(copies.shadowed)], [w.unshadowed, number(copies.unshadowed)], [w.deferred, number(copies.deferred)], [w.lacking, number(copies.lacking)], [w.held, number(copies.held)], [w.takenOver, number(copies.taken_over)], [w.givenAway, number(copies.given_away)]]} />
        </CardBody>
      </Card>
  );
}

function Conflicts({ count }: { count: number }) {
  const w = useWords(words);
  const { when } = useTongue();
  const node = useNodeNames();
  const found = useQuery({ queryKey: ["conflicts", count], queryFn: () => api<{ conflicts: Conflict[] }>("GET", "/cluster/conflicts") });
  const rows = (found.data?.conflicts ?? []).flatMap((c) => c.values.map((v, at) => ({ ...v, path: c.path, key: `${c.path} ${at}` })));
  return (
    <Card className="postern-gap">
      <CardTitle component="h2">{w.conflicts}</CardTitle>
      <CardBody>
        <Content component="p" className="postern-soft">{w.conflictsText}</Content>
        <Listing label={w.conflicts} rows={rows} id={(r) => r.key} asked={found} empty={w.noDifference} columns={[
          { name: w.setting, kind: "text", show: (r) => <code>{r.path}</code> }, { name: w.value, kind: "text", show: (r) => <code>{JSON.stringify(r.value)}</code> },
          { name: w.author, show: (r) => r.author }, { name: w.node, show: (r) => node(r.node) }, { name: w.at, show: (r) => when(r.at) }]} />
      </CardBody>
    </Card>
  );
}
