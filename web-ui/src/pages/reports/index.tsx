import { ActionList, ActionListItem, Alert, Button, Card, CardBody, CardTitle, Form, FormGroup, Grid, GridItem, PageSection, Spinner, TextInput } from "@patternfly/react-core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import type { PageProps } from "../../App";
import { api, asking, part, type Schemas } from "../../api/client";
import { useMay } from "../../api/may";
import type { Report } from "../../api/shapes";
import { useTongue, useWords } from "../../i18n";
import { Ask, type Question } from "../../parts/Ask";
import { Failure } from "../../parts/Failure";
import { Head } from "../../parts/Head";
import { Listing, type Column } from "../../parts/Listing";
import { useAct } from "../../parts/Said";
import { go, to, usePlace } from "../../route";
import { Figures } from "./Figures";
import { words } from "./words";

type Row = Schemas["KeptRow"];
type Words = typeof words.en;
interface Days { first: string; last: string }

const DAY = 86_400_000;
const day = (at: number) => new Date(at).toISOString().slice(0, 10);

/** What one asks for most, in days of UTC. */
function usual(w: Words): [string, Days][] {
  const now = Date.now();
  const back = (days: number) => day(now - days * DAY);
  const date = new Date(now);
  const month = (months: number, of: number) => day(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + months, of));
  return [[w.today, { first: back(0), last: back(0) }], [w.yesterday, { first: back(1), last: back(1) }], [w.week, { first: back(7), last: back(1) }], [w.month, { first: month(-1, 1), last: month(0, 0) }]];
}

const named = (w: Words, { first, last }: Days) => (first === last ? first : w.range.replace("{first}", first).replace("{last}", last));

export default function ReportsPage({ dark }: PageProps) {
  const w = useWords(words);
  const { words: common } = useTongue();
  const { item, asked } = usePlace();
  const list = useQuery({ queryKey: ["reports"], queryFn: () => api<Schemas["Reports"]>("GET", "/reports"), refetchInterval: 30_000 });
  if (list.isPending) return <><Head title={w.title} /><PageSection><Spinner aria-label={common.loading} /></PageSection></>;
  if (!list.data) return <><Head title={w.title} /><PageSection><Failure error={list.error ?? new Error()} again={() => void list.refetch()} /></PageSection></>;
  const { usual: range } = list.data;
  const days = { first: asked.get("first") ?? range.first, last: asked.get("last") ?? asked.get("first") ?? range.last };
  const path = item ? `/reports/${part(item)}` : asking("/reports/preview", { ...days });
  return <Page key={path} list={list.data} days={days} item={item} path={path} dark={dark} asked={list} />;
}

function Page({ list, days, item, path, dark, asked }: { list: Schemas["Reports"]; days: Days; item: string; path: string; dark: boolean; asked: Parameters<typeof Listing>[0]["asked"] }) {
  const w = useWords(words);
  const { words: common, language, number, moment, when } = useTongue();
  const may = useMay();
  const queries = useQueryClient();
  const [question, setQuestion] = useState<Question | null>(null);
  const report = useQuery({ queryKey: ["report", path], queryFn: () => api<Report>("GET", path), staleTime: item ? Infinity : 60_000 });
  const send = useAct((range: Days) => api("POST", "/reports", range), async () => {
    await queries.invalidateQueries({ queryKey: ["reports"] });
    return w.sent;
  });
  const who = list.recipients.join(", ");
  const how = list.schedule === "off" ? w.none : w.scheduled.replace("{how}", w[list.schedule as "daily"]).replace("{who}", () => who);
  const text = [how, list.next && w.next.replace("{when}", moment(list.next))].filter(Boolean).join(" ");
  const ask = () => report.data && setQuestion({ title: w.sendTitle, text: w.sendText.replace("{who}", () => who), button: w.send, act: () => send.mutate(report.data.period) });
  const pdf = item ? `${path}/pdf?language=${language}` : `${path.replace("/preview", "/preview/pdf")}&language=${language}`;
  const columns: Column<Row>[] = [
    { name: w.about, show: (r) => <a href={to("reports", r.id)} aria-label={w.open.replace("{days}", named(w, r))}>{named(w, r)}</a> },
    { name: w.made, kind: "time", show: (r) => <span title={when(r.made)}>{moment(r.made)}</span> },
    { name: w.how, show: (r) => (r.schedule === "off" ? w.byHand : w[r.schedule as "daily"]) },
    { name: w.by, kind: "text", show: (r) => r.by },
    { name: w.recipients, kind: "text", show: (r) => r.recipients.join(", ") },
    { name: w.mails, kind: "number", show: (r) => number(r.mails) },
  ];
  return (
    <>
      <Head title={report.data ? w.report.replace("{days}", named(w, report.data.period)) : w.title} {...(item ? { above: { name: w.title, to: to("reports"), here: item } } : { text })}>
        <ActionList className="postern-screen postern-wrap">
          <ActionListItem><Button variant="secondary" onClick={() => print()}>{w.print}</Button></ActionListItem>
          <ActionListItem><Button variant="secondary" component="a" href={`/api/v1${pdf}`} download>{w.pdf}</Button></ActionListItem>
          {!item && may("POST /reports") && <ActionListItem><Button isDisabled={!report.data || send.isPending || list.recipients.length === 0} onClick={ask}>{w.send}</Button></ActionListItem>}
        </ActionList>
      </Head>
      {!item && (
        <PageSection className="postern-screen">
          {list.trouble && <Alert component="p" isInline variant="danger" title={`${w.trouble}: ${list.trouble}`} />}
          {list.recipients.length === 0 && <Alert component="p" isInline isPlain variant="info" title={w.nobody} />}
          {may("GET /settings") && <p className="postern-gap"><a href={to("settings", "reports")}>{w.settings}</a></p>}
          <Chooser days={days} />
        </PageSection>
      )}
      <PageSection aria-live="polite" aria-busy={report.isPending}>
        {report.isPending ? <Spinner aria-label={common.loading} /> : report.isError ? <Failure error={report.error} again={() => void report.refetch()} /> : <Figures report={report.data} dark={dark} />}
      </PageSection>
      <PageSection className="postern-screen">
        <Card>
          <CardTitle component="h2">{w.past}</CardTitle>
          <CardBody><Listing label={w.past} columns={columns} rows={list.reports} id={(r) => r.id} asked={asked} empty={w.noPast} /></CardBody>
        </Card>
      </PageSection>
      <Ask question={question} close={() => setQuestion(null)} />
    </>
  );
}

function Chooser({ days }: { days: Days }) {
  const w = useWords(words);
  const [{ first, last }, set] = useState(days);
  const show = (range: Days) => go(to("reports", "", { ...range }));
  return (
    <Form role="search" aria-label={w.days} onSubmit={(event) => { event.preventDefault(); show({ first, last }); }}>
      <ActionList className="postern-wrap">{usual(w).map(([name, range]) => <ActionListItem key={name}><Button variant="tertiary" size="sm" onClick={() => show(range)}>{name}</Button></ActionListItem>)}</ActionList>
      <Grid hasGutter>
        <GridItem sm={6} lg={3}><FormGroup label={w.first} fieldId="report-first"><TextInput id="report-first" type="date" value={first} onChange={(_, v) => set({ first: v, last })} /></FormGroup></GridItem>
        <GridItem sm={6} lg={3}><FormGroup label={w.last} fieldId="report-last"><TextInput id="report-last" type="date" value={last} onChange={(_, v) => set({ first, last: v })} /></FormGroup></GridItem>
      </Grid>
      <ActionList><ActionListItem><Button type="submit" variant="secondary">{w.show}</Button></ActionListItem></ActionList>
    </Form>
  );
}
