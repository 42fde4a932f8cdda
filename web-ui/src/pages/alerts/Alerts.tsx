import { Alert, Button, Card, CardBody, CardTitle, ExpandableSection, Label } from "@patternfly/react-core";
import { useInfiniteQuery, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { api, asking, part, type Schemas } from "../../api/client";
import { useMay } from "../../api/may";
import { useTongue, useWords } from "../../i18n";
import { Listing, type Column } from "../../parts/Listing";
import { useAct } from "../../parts/Said";
import { words } from "./words";

type Active = Schemas["AlertView"];
type Past = Schemas["Alert"];
type Words = typeof words.en;

/** What is wrong with any node, and what was. */
export function Alerts() {
  const w = useWords(words);
  const may = useMay();
  const { moment, when } = useTongue();
  const queries = useQueryClient();
  const active = useQuery({ queryKey: ["alerts"], queryFn: () => api<Schemas["ActiveAlerts"]>("GET", "/alerts"), refetchInterval: 5000 });
  const acknowledge = useAct((alert: Active) => api("POST", `/alerts/${part(alert.id)}/acknowledge`), async () => {
    await queries.invalidateQueries({ queryKey: ["alerts"] });
    return w.acknowledgedSaid;
  });
  const test = useAct(() => api("POST", "/alerts/test"), () => w.testSaid);
  const columns: Column<Active>[] = [
    { name: w.what, kind: "text", show: (a) => <What alert={a} w={w} more={a.seen_by.length > 1 ? w.seenBy.replace("{nodes}", a.seen_by.join(", ")) : ""} /> },
    { name: w.found, kind: "text", show: (a) => a.detail },
    { name: w.since, kind: "time", show: (a) => <span title={when(a.raised)}>{moment(a.raised)}</span> },
    { name: w.acts, kind: "acts", show: (a) => a.acknowledged ? <Label>{w.acknowledged.replace("{who}", a.acknowledged.by)}</Label> : may("POST /alerts/{id}/acknowledge") && <Button variant="secondary" size="sm" isDisabled={acknowledge.isPending} aria-label={`${w.acknowledge}: ${name(a, w)}`} onClick={() => acknowledge.mutate(a)}>{w.acknowledge}</Button> },
  ];
  const channels = active.data?.channels;
  const isHeard = channels !== undefined && channels.recipients + channels.webhooks.length > 0;
  return (
    <Card>
      <CardTitle component="h2">{w.title}</CardTitle>
      <CardBody>
        {channels && !isHeard && <Alert component="p" isInline isPlain variant="info" title={w.nobody} />}
        {channels?.mail_trouble && <Alert component="p" isInline variant="warning" title={`${w.mailTrouble}: ${channels.mail_trouble}`} />}
        {channels?.webhooks.map((hook) => hook.trouble && <Alert key={hook.name} component="p" isInline variant="warning" title={`${w.hookTrouble.replace("{name}", hook.name)}: ${hook.trouble}`} />)}
        <Listing label={w.list} columns={columns} rows={active.data?.alerts ?? []} id={(a) => a.id} asked={active} empty={w.none} />
        <History />
        {isHeard && may("POST /alerts/test") && <Button variant="link" isInline className="postern-above" isDisabled={test.isPending} onClick={() => test.mutate(undefined)}>{w.test}</Button>}
      </CardBody>
    </Card>
  );
}

function name(alert: Past, w: Words) {
  const condition = w.conditions[alert.condition] ?? alert.condition;
  return alert.subject ? `${condition}: ${alert.subject}` : condition;
}

function What({ alert, w, more }: { alert: Past; w: Words; more: string }) {
  const about = [alert.node && w.on.replace("{node}", alert.node), more, !alert.seen && !alert.ended && w.over].filter(Boolean).join(", ");
  return <>{name(alert, w)}{about && <div className="postern-soft">{about}</div>}</>;
}

function History() {
  const w = useWords(words);
  const [open, setOpen] = useState(false);
  return (
    <ExpandableSection toggleText={w.past} isExpanded={open} onToggle={(_, next) => setOpen(next)}>
      {open && <PastAlerts />}
    </ExpandableSection>
  );
}

function PastAlerts() {
  const w = useWords(words);
  const { moment, when } = useTongue();
  const past = useInfiniteQuery({
    queryKey: ["alerts", "past"],
    queryFn: ({ pageParam }) => api<Schemas["PastAlerts"]>("GET", asking("/alerts/past", { limit: 20, before: pageParam })),
    initialPageParam: null as number | null,
    getNextPageParam: (page) => page.next ?? null,
  });
  const columns: Column<Past>[] = [
    { name: w.what, kind: "text", show: (a) => <What alert={a} w={w} more="" /> },
    { name: w.found, kind: "text", show: (a) => a.detail },
    { name: w.from, kind: "time", show: (a) => <span title={when(a.raised)}>{moment(a.raised)}</span> },
    { name: w.until, kind: "time", show: (a) => a.ended && <span title={when(a.ended)}>{moment(a.ended)}</span> },
  ];
  return <Listing label={w.past} columns={columns} rows={past.data?.pages.flatMap((p) => p.alerts) ?? []} id={(a) => `${a.id} ${a.raised}`} asked={past} empty={w.noPast} />;
}
