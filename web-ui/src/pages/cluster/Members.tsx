import { Button, Card, CardBody, CardTitle, Label } from "@patternfly/react-core";
import { useQueryClient, type UseQueryResult } from "@tanstack/react-query";
import { useState } from "react";

import { api, part } from "../../api/client";
import type { Cluster, Member } from "../../api/shapes";
import { useTongue, useWords } from "../../i18n";
import { Ask, type Question } from "../../parts/Ask";
import { Listing, type Column } from "../../parts/Listing";
import { Mark } from "../../parts/Marks";
import { May } from "../../parts/May";
import { useAct } from "../../parts/Said";
import { words } from "./words";

export function Members({ cluster }: { cluster: UseQueryResult<Cluster> }) {
  const w = useWords(words);
  const { number, octets, moment } = useTongue();
  const queries = useQueryClient();
  const [question, setQuestion] = useState<Question | null>(null);
  const remove = useAct((member: Member) => api("DELETE", `/cluster/members/${part(member.id)}`), async (_, member) => {
    await queries.invalidateQueries({ queryKey: ["cluster"] });
    return w.removedSaid.replace("{name}", () => member.name);
  });
  const columns: Column<Member>[] = [
    { name: w.node, kind: "text", show: (m) => <>{m.name}{m.this && <span className="postern-soft"> ({w.thisNode})</span>}<div className="postern-soft">{m.address ?? m.addresses[0]}</div></> },
    { name: w.duty, show: (m) => <><Mark word={m.duty} />{m.problems.length > 0 && <div>{m.problems.join(", ")}</div>}</> },
    { name: w.link, kind: "text", show: (m) => (m.this ? "–" : (
      <>
        <Label isCompact className="postern-mark" status={m.connected ? "success" : "danger"}>{m.connected ? w.connected : w.notConnected}</Label>
        {m.connected ? m.round_trip_ms !== null && <> {number(m.round_trip_ms, 1)} ms</> : m.heard !== null && <div className="postern-soft">{w.heard} {moment(m.heard)}</div>}
        {m.trouble && <div>{m.trouble}</div>}
      </>
    )) },
    { name: w.version, show: (m) => m.version },
    { name: w.queued, kind: "number", show: (m) => number(m.queued) },
    { name: w.behind, kind: "number", show: (m) => number(m.behind) },
    { name: w.free, kind: "number", show: (m) => (m.free ? octets(m.free) : "–") },
    { name: w.acts, kind: "acts", show: (m) => !m.this && (
      <May ask="DELETE /cluster/members/{node}"><Button variant="link" size="sm" isDanger isDisabled={remove.isPending} aria-label={`${w.remove}: ${m.name}`} onClick={() => setQuestion({
        title: w.removeAsk.replace("{name}", () => m.name), text: w.removeText, button: w.remove, danger: true, typed: m.name, act: () => remove.mutate(m) })}>{w.remove}</Button></May>
    ) },
  ];
  return (
    <Card>
      <CardTitle component="h2">{w.members}</CardTitle>
      <CardBody>
        <Listing label={w.members} columns={columns} rows={cluster.data?.members ?? []} id={(m) => m.id} asked={cluster} empty={w.noMembers} />
        {cluster.data && cluster.data.removed.length > 0 && <p className="postern-soft">{w.removed}: {cluster.data.removed.map((r) => `${r.name} (${moment(r.at)}, ${r.by})`).join("; ")}</p>}
      </CardBody>
      <Ask question={question} close={() => setQuestion(null)} />
    </Card>
  );
}
