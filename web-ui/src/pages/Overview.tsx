import { Alert, Card, CardBody, CardTitle, DescriptionList, DescriptionListDescription, DescriptionListGroup, DescriptionListTerm, ExpandableSection, Gallery, Label, PageSection, Spinner, Title } from "@patternfly/react-core";
import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";

import { api, roleAt, type CounterPage, type Status } from "../api/client";
import { useMay } from "../api/may";
import { Chart, type Series } from "../parts/Chart";
import { Failure } from "../parts/Failure";
import { useTongue } from "../i18n";
import { to } from "../route";
import { Head } from "../parts/Head";
import type { PageProps } from "../App";
import { Alerts } from "./alerts/Alerts";
import { useLive } from "./useLive";

// The OpenAPI file says only "object" for these.
interface Queue { mails: number; delivered: number; deferred: number; failed: number }
interface Edge { counters: { name: string; drops: boolean; packets: number }[] }
interface Cluster { member: boolean; members: { id: string; name: string; this: boolean; connected: boolean; duty: string; trouble: string | null }[] }

const ACTIONS = [
  ["accept", "accepted", "#3e8635"], ["tag", "tagged", "#009596"], ["quarantine", "quarantined", "#f0ab00"],
  ["defer", "deferred", "#2b9af3"], ["reject", "rejected", "#c9190b"], ["discard", "discarded", "#8a8d90"],
] as const;
const HOUR = 3_600_000;

export default function Overview(props: PageProps) {
  return useMay()("GET /status") ? <Whole {...props} /> : <Limited {...props} />;
}

/** For a login of some domains: their mails, and nothing of the node. */
function Limited({ dark, who }: PageProps) {
  const { words, number } = useTongue();
  const page = useCounters();
  const count = (action: string) => page.data?.counters.reduce((sum, row) => sum + (row.name === `action:${action}` ? row.count : 0), 0) ?? 0;
  return (
    <>
      <Head title={words.overview} text={who.domains?.join(", ") ?? ""} />
      <PageSection aria-label={words.last24}>
        <Gallery hasGutter minWidths={{ default: "9rem" }}>
          {ACTIONS.map(([action, word]) => <Card key={action} isCompact><CardBody><div className="postern-figure">{number(count(action))}</div><a href={to("tracking", "", { action })}>{words[word]}</a></CardBody></Card>)}
        </Gallery>
      </PageSection>
      <PageSection><Hours dark={dark} /></PageSection>
    </>
  );
}

function useCounters() {
  return useQuery({ queryKey: ["counters"], queryFn: () => api<CounterPage>("GET", "/counters"), refetchInterval: 60_000 });
}

function Whole({ dark }: PageProps) {
  const { words, number, octets, span } = useTongue();
  const live = useLive();
  const every = live === "live" ? false : 5000;
  const status = useQuery({ queryKey: ["status"], queryFn: () => api<Status>("GET", "/status"), refetchInterval: every });
  if (status.isPending) return <><Head title={words.overview} /><PageSection><Spinner aria-label={words.loading} /></PageSection></>;
  if (!status.data) return <><Head title={words.overview} /><PageSection><Failure error={status.error ?? new Error()} again={() => void status.refetch()} /></PageSection></>;
  const node = status.data;
  const queue = node.queue as unknown as Queue;
  const count = (action: string) => node.counters.find((c) => c.name === `action:${action}`)?.count ?? 0;
  const tiles: [string, number, string][] = [
    ...ACTIONS.map(([action, word]): [string, number, string] => [words[word], count(action), to("tracking", "", { action })]),
    [words.inQueue, queue.mails, to("queue")], [words.held, node.quarantined, to("quarantine")],
  ];
  return (
    <>
      <Head title={node.hostname || words.overview}>{live !== "opening" && <Label status={live === "live" ? "success" : "warning"}>{live === "live" ? words.live : words.polling}</Label>}</Head>
      {(!node.ready || node.spool_trouble || node.backup_trouble) && (
        <PageSection>
          {!node.ready && <Alert component="p" isInline variant="warning" title={words.notReady} />}
          {node.backup_trouble && <Alert component="p" isInline variant="danger" title={`${words.backupTrouble}: ${node.backup_trouble}`} />}
          {node.spool_trouble && <Alert component="p" isInline variant="danger" title={`${words.spoolTrouble}: ${node.spool_trouble}`} />}
        </PageSection>
      )}
      <PageSection><Alerts /></PageSection>
      <PageSection aria-label={words.sinceStart}>
        <Title headingLevel="h2" className="postern-gap">{words.sinceStart}</Title>
        <Gallery hasGutter minWidths={{ default: "9rem" }}>
          {tiles.map(([label, value, there]) => <Card key={label} isCompact><CardBody><div className="postern-figure">{number(value)}</div><a href={there}>{label}</a></CardBody></Card>)}
        </Gallery>
      </PageSection>
      <PageSection><Hours dark={dark} /></PageSection>
      <PageSection>
        <Gallery hasGutter minWidths={{ default: "min(100%, 22rem)" }}>
          <Card>
            <CardTitle component="h2">{words.node}</CardTitle>
            <CardBody>
              <DescriptionList isCompact>
                {([[words.version, node.version], [words.uptime, span(node.uptime_seconds)], [words.deliveries, [queue.delivered, queue.deferred, queue.failed].map(number).join(", ")],
                  [words.spool, words.spoolValue.replace("{mails}", number(node.spool.mails)).replace("{octets}", octets(node.spool.octets))]] as const).map(([term, value]) => (
                  <DescriptionListGroup key={term}><DescriptionListTerm>{term}</DescriptionListTerm><DescriptionListDescription>{value}</DescriptionListDescription></DescriptionListGroup>
                ))}
              </DescriptionList>
            </CardBody>
          </Card>
          <Nodes />
          <Drops />
        </Gallery>
      </PageSection>
    </>
  );
}

function Hours({ dark }: { dark: boolean }) {
  const { words, language, number, hour } = useTongue();
  const page = useCounters();
  const shown = useMemo(() => {
    const first = Math.floor(Date.now() / HOUR) - 23;
    const hours = Array.from({ length: 24 }, (_, at) => (first + at) * HOUR);
    const series: Series[] = ACTIONS.map(([action, word, color]) => {
      const values = hours.map(() => 0);
      for (const row of page.data?.counters ?? []) {
        const at = Math.floor(row.hour / HOUR) - first;
        if (row.name === `action:${action}` && at >= 0 && at < 24) values[at] = row.count;
      }
      return { label: words[word], color, values };
    });
    return { hours, series, total: series.reduce((sum, s) => sum + s.values.reduce((a, b) => a + b, 0), 0) };
  }, [page.data, words]);
  return (
    <Card>
      <CardTitle component="h2">{words.last24}</CardTitle>
      <CardBody>
        {page.isPending ? <Spinner aria-label={words.loading} /> : page.isError ? <Failure error={page.error} again={() => void page.refetch()} /> : shown.total === 0 ? words.noMail : (
          <>
            <Chart label={words.chartHelp} times={shown.hours} step={HOUR} series={shown.series} language={language} dark={dark} />
            <ExpandableSection toggleText={words.figures}>
              <div className="postern-scroll" tabIndex={0} role="region" aria-label={words.figures}>
                <table className="postern-wide">
                  <thead><tr><th scope="col">{words.hour}</th>{shown.series.map((s) => <th key={s.label} scope="col" className="n">{s.label}</th>)}</tr></thead>
                  <tbody>{shown.hours.map((h, at) => <tr key={h}><th scope="row">{hour(h)}</th>{shown.series.map((s) => <td key={s.label} className="n">{number(s.values[at] ?? 0)}</td>)}</tr>)}</tbody>
                </table>
              </div>
            </ExpandableSection>
          </>
        )}
      </CardBody>
    </Card>
  );
}

function Nodes() {
  const { words } = useTongue();
  const cluster = useQuery({ queryKey: ["cluster"], queryFn: () => api<Cluster>("GET", "/cluster"), refetchInterval: 5000 });
  return (
    <Card>
      <CardTitle component="h2">{words.nodes}</CardTitle>
      <CardBody>
        {cluster.isPending ? <Spinner aria-label={words.loading} /> : cluster.isError ? <Failure error={cluster.error} /> : !cluster.data.member ? words.alone : (
          <table className="postern-wide">
            <thead><tr><th scope="col">{words.name}</th><th scope="col">{words.state}</th></tr></thead>
            <tbody>{cluster.data.members.map((m) => (
              <tr key={m.id}><td>{m.name}</td><td><Label status={m.this || m.connected ? "success" : "danger"}>{m.duty}</Label>{m.trouble && ` ${m.trouble}`}</td></tr>
            ))}</tbody>
          </table>
        )}
      </CardBody>
    </Card>
  );
}

function Drops() {
  const { words, number } = useTongue();
  const edge = useQuery({ queryKey: ["edge"], queryFn: () => roleAt<Edge>("/edge"), refetchInterval: 5000 });
  const rows = edge.data?.counters.filter((c) => c.drops && c.packets > 0) ?? [];
  return (
    <Card>
      <CardTitle component="h2">{words.dropsByReason}</CardTitle>
      <CardBody>
        {edge.isPending ? <Spinner aria-label={words.loading} /> : edge.data === null ? words.noEdge : edge.isError ? <Failure error={edge.error} /> : rows.length === 0 ? words.noDrops : (
          <table className="postern-wide">
            <thead><tr><th scope="col">{words.reason}</th><th scope="col" className="n">{words.packets}</th></tr></thead>
            <tbody>{rows.map((c) => <tr key={c.name}><td>{c.name}</td><td className="n">{number(c.packets)}</td></tr>)}</tbody>
          </table>
        )}
      </CardBody>
    </Card>
  );
}
