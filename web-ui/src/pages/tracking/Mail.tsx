import { Alert, Button, Card, CardBody, CardTitle, Content, PageSection, ProgressStep, ProgressStepper, Spinner } from "@patternfly/react-core";
import { useQuery } from "@tanstack/react-query";

import { api, part, type Schemas } from "../../api/client";
import { useMay } from "../../api/may";
import type { Hit, JourneyView, Step, Verdict } from "../../api/shapes";
import { useTongue, useWords } from "../../i18n";
import { Attachments } from "../../parts/attachments";
import { Facts } from "../../parts/Facts";
import { Failure } from "../../parts/Failure";
import { Head } from "../../parts/Head";
import { Listing, type Column } from "../../parts/Listing";
import { Mark } from "../../parts/Marks";
import { to } from "../../route";
import { words } from "./words";

/** Long enough for a person, short enough that a mail under way moves. */
const EVERY = 10_000;
const GOOD = ["accepted", "delivered"];
const BAD = ["refused", "recipient-refused", "failed"];
const MIDDLING = ["deferred", "held", "quarantined"];

export function Mail({ id }: { id: string }) {
  const w = useWords(words);
  const { words: common, number, octets, when } = useTongue();
  const found = useQuery({ queryKey: ["journey", id], queryFn: () => api<JourneyView>("GET", `/journeys/${part(id)}`), refetchInterval: EVERY });
  const may = useMay();
  const above = { name: w.title, to: to("tracking"), here: w.mailTitle };
  const title = found.data?.summary?.subject || `${w.mailTitle} ${id}`;
  if (found.isPending) return <><Head title={title} above={above} /><PageSection><Spinner aria-label={common.loading} /></PageSection></>;
  if (!found.data) return <><Head title={title} above={above} /><PageSection><Failure error={found.error ?? new Error()} again={() => void found.refetch()} /></PageSection></>;
  const { summary, steps, silent } = found.data;
  // A mail that was held is judged twice.
  const verdict = [...steps].reverse().find((s) => s.verdict)?.verdict;
  const attachments = steps.flatMap((s) => (s.event === "taken-apart" ? s.attachments ?? [] : []));
  const isQuarantined = steps.some((s) => s.event === "quarantined");
  return (
    <>
      <Head title={title} above={above}>
        {isQuarantined && may("GET /quarantine/{mail}") && <Button component="a" variant="secondary" href={to("quarantine", id)}>{w.inQuarantine}</Button>}
        {steps.some((s) => s.event === "accepted") && !isQuarantined && may("GET /queue/{mail}") && <Button component="a" variant="secondary" href={to("queue", id)}>{w.inQueue}</Button>}
      </Head>
      {silent.length > 0 && <PageSection><Alert component="p" isInline variant="warning" title={`${w.silent}: ${silent.join(", ")}`} /></PageSection>}
      <PageSection>
        <Card>
          <CardTitle component="h2">{w.summary}</CardTitle>
          <CardBody>
            {summary ? (
              <Facts of={[[w.action, <><Mark word={summary.action} /> {summary.reason}, {w.score2.replace("{n}", number(summary.score, 2))}</>], [w.sender, summary.sender || w.nullPath], [w.fromHeader, summary.from_header], [w.recipient, summary.recipients.join(", ")],
                [w.messageId, summary.message_id], [w.client, summary.client], [w.size, octets(summary.size)], [w.time, when(summary.at)], [w.node, summary.node], [w.mail, <code key="id">{id}</code>]]} />
            ) : w.noSummary}
          </CardBody>
        </Card>
      </PageSection>
      {verdict && <PageSection><Judged verdict={verdict} /></PageSection>}
      {attachments.length > 0 && <PageSection><Attachments of={attachments} /></PageSection>}
      <PageSection>
        <Card>
          <CardTitle component="h2">{w.steps}</CardTitle>
          <CardBody>
            <ProgressStepper isVertical aria-label={w.steps}>
              {steps.map((step, at) => (
                <ProgressStep key={`${step.at}-${at}`} id={`step-${at}`} titleId={`step-${at}-title`} variant={BAD.includes(step.event) ? "danger" : MIDDLING.includes(step.event) ? "warning" : GOOD.includes(step.event) ? "success" : "info"}
                  description={<Happened step={step} />} aria-label={w.events[step.event] ?? step.event}>
                  {w.events[step.event] ?? step.event}
                </ProgressStep>
              ))}
            </ProgressStepper>
          </CardBody>
        </Card>
      </PageSection>
    </>
  );
}

function Happened({ step }: { step: Step }) {
  const w = useWords(words);
  const { number, octets, when } = useTongue();
  const value = (name: string, of: unknown): string => {
    if ((name === "next" || name === "until") && typeof of === "number") return when(of);
    if (Array.isArray(of) && of.every((one) => typeof one === "string")) return of.join("; ");
    if (name === "size" && typeof of === "number") return octets(of);
    if (name === "milliseconds" && typeof of === "number") return `${number(of)} ms`;
    return typeof of === "string" ? of : typeof of === "number" ? number(of) : JSON.stringify(of);
  };
  const rest = Object.entries(step).filter(([name, of]) => !["at", "node", "event", "verdict", "attachments", "decisions", "parts"].includes(name) && of !== null && of !== "");
  return (
    <>
      <span className="postern-soft">{when(step.at)}{step.node && ` · ${step.node}`}</span>
      {step.verdict && <div><Mark word={step.verdict.action} /> {step.verdict.reason}, {w.score2.replace("{n}", number(step.verdict.score, 2))}</div>}
      {step.attachments && <div className="postern-break">{step.attachments.map((a) => a.report.parts[0]?.name).join(", ")}</div>}
      {step.parts && <div className="postern-break">{w.fields.parts}: {step.parts.map((one) => <a key={one} href={to("tracking", one)}>{one} </a>)}</div>}
      {step.decisions?.map((d) => (
        <div key={d.recipient} className="postern-break">
          {d.recipient} <Mark word={d.action} />
          {d.rules.map((r) => <div key={r.rule} className="postern-soft"><strong>{r.rule}</strong>: {[...r.evidence, ...r.effects.map((e) => `→ ${e}`)].join("; ")}</div>)}
        </div>
      ))}
      {rest.map(([name, of]) => <div key={name} className="postern-break">{w.fields[name] ?? name}: {value(name, of)}</div>)}
    </>
  );
}

function Judged({ verdict }: { verdict: Verdict }) {
  const w = useWords(words);
  const { number } = useTongue();
  // What each symbol is for changes with the version only.
  const symbols = useQuery({ queryKey: ["symbols"], queryFn: () => api<Schemas["Symbols"]>("GET", "/symbols"), staleTime: Infinity });
  const about = new Map(symbols.data?.symbols.map((s) => [s.name, s.description]));
  const columns: Column<Hit>[] = [
    { name: w.score, kind: "number", show: (h) => number(h.score, 2) },
    { name: w.symbol, kind: "text", show: (h) => <><code>{h.symbol}</code><div className="postern-soft">{about.get(h.symbol)}</div></> },
    { name: w.group, show: (h) => h.group },
    { name: w.seen, kind: "text", show: (h) => h.evidence },
  ];
  const hits = [...verdict.hits].sort((a, b) => Math.abs(b.score) - Math.abs(a.score));
  return (
    <Card>
      <CardTitle component="h2">{w.verdict}</CardTitle>
      <CardBody>
        <Content component="p" className="postern-soft">{w.verdictText}</Content>
        <Listing label={w.verdict} columns={columns} rows={hits} id={(h) => h.symbol + h.evidence} asked={{ isPending: false, isError: false, error: null, refetch: () => undefined }} empty={w.noSymbol} />
      </CardBody>
    </Card>
  );
}
