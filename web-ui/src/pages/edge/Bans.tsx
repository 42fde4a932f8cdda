import { ActionGroup, Button, Card, CardBody, CardTitle, Form, FormGroup, Grid, GridItem, TextInput } from "@patternfly/react-core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { api, asking } from "../../api/client";
import type { Ban } from "../../api/shapes";
import { useTongue, useWords } from "../../i18n";
import { Ask, type Question } from "../../parts/Ask";
import { Listing, type Column } from "../../parts/Listing";
import { May } from "../../parts/May";
import { useAct } from "../../parts/Said";
import { words } from "./words";

/** The API gives no more at a time. */
const SHOWN = 1000;

export function Bans() {
  const w = useWords(words);
  const { number, moment, when } = useTongue();
  const queries = useQueryClient();
  const [question, setQuestion] = useState<Question | null>(null);
  const [only, setOnly] = useState("");
  const bans = useQuery({ queryKey: ["bans"], queryFn: () => api<{ bans: Ban[] }>("GET", asking("/edge/bans", { limit: SHOWN })), refetchInterval: 5000 });
  const again = () => queries.invalidateQueries({ predicate: (q) => ["bans", "edge"].includes(String(q.queryKey[0])) });
  const lift = useAct((network: string) => api("DELETE", asking("/edge/bans", { network })), async (_, network) => {
    await again();
    return w.liftedSaid.replace("{network}", network);
  });
  const all = bans.data?.bans ?? [];
  const wanted = only.trim().toLowerCase();
  const rows = wanted ? all.filter((b) => [b.network, b.reason, b.by, b.evidence].some((t) => t.toLowerCase().includes(wanted))) : all;
  const columns: Column<Ban>[] = [
    { name: w.network, kind: "text", show: (b) => b.network },
    { name: w.reason, show: (b) => b.reason },
    { name: w.from, kind: "time", show: (b) => <span title={when(b.from)}>{moment(b.from)}</span> },
    { name: w.until, kind: "time", show: (b) => <span title={when(b.until)}>{moment(b.until)}</span> },
    { name: w.count, kind: "number", show: (b) => number(b.count) },
    { name: w.by, kind: "text", show: (b) => b.by },
    { name: w.evidence, kind: "text", show: (b) => b.evidence },
    { name: w.acts, kind: "acts", show: (b) => <May ask="DELETE /edge/bans"><Button variant="link" size="sm" isDisabled={lift.isPending} aria-label={`${w.lift}: ${b.network}`} onClick={() => setQuestion({ title: w.liftAsk.replace("{network}", b.network), text: w.liftText, button: w.lift, act: () => lift.mutate(b.network) })}>{w.lift}</Button></May> },
  ];
  return (
    <Card>
      <CardTitle component="h2">{w.bans}</CardTitle>
      <May ask="POST /edge/bans"><CardBody><NewBan done={again} /></CardBody></May>
      <CardBody>
        {all.length > 0 && <Form onSubmit={(event) => event.preventDefault()}><FormGroup label={w.filter} fieldId="bans-only"><TextInput id="bans-only" type="search" className="postern-short" value={only} onChange={(_, v) => setOnly(v)} /></FormGroup></Form>}
        <Listing label={w.bans} columns={columns} rows={rows} id={(b) => b.network} asked={bans} empty={w.noBans} />
        {all.length === SHOWN && <p className="postern-soft">{w.more.replace("{n}", number(SHOWN))}</p>}
      </CardBody>
      <Ask question={question} close={() => setQuestion(null)} />
    </Card>
  );
}

function NewBan({ done }: { done: () => Promise<void> }) {
  const w = useWords(words);
  const [network, setNetwork] = useState("");
  const [duration, setDuration] = useState("1d");
  const [evidence, setEvidence] = useState("");
  const ban = useAct(() => api("POST", "/edge/bans", { network: network.trim(), duration: duration.trim() || null, evidence: evidence.trim() }), async () => {
    await done();
    const said = w.bannedSaid.replace("{network}", network.trim());
    setNetwork("");
    setEvidence("");
    return said;
  });
  return (
    <Form aria-label={w.ban} onSubmit={(event) => { event.preventDefault(); ban.mutate(undefined); }}>
      <Grid hasGutter>
        <GridItem sm={6} lg={4}><FormGroup label={w.network} fieldId="ban-network" isRequired><TextInput id="ban-network" isRequired autoComplete="off" placeholder={w.networkHint} value={network} onChange={(_, v) => setNetwork(v)} /></FormGroup></GridItem>
        <GridItem sm={6} lg={2}><FormGroup label={w.duration} fieldId="ban-duration"><TextInput id="ban-duration" autoComplete="off" placeholder={w.durationHint} value={duration} onChange={(_, v) => setDuration(v)} /></FormGroup></GridItem>
        <GridItem sm={12} lg={6}><FormGroup label={w.evidence} fieldId="ban-evidence"><TextInput id="ban-evidence" autoComplete="off" placeholder={w.evidenceHint} value={evidence} onChange={(_, v) => setEvidence(v)} /></FormGroup></GridItem>
      </Grid>
      <ActionGroup><Button type="submit" variant="secondary" isDisabled={ban.isPending || !network.trim()} isLoading={ban.isPending}>{w.banButton}</Button></ActionGroup>
    </Form>
  );
}
