import { Alert, Card, CardBody, CardTitle, ExpandableSection, Gallery, Title } from "@patternfly/react-core";
import { useMemo, type ReactNode } from "react";

import type { Count, Report, ReportSeries } from "../../api/shapes";
import { useTongue, useWords } from "../../i18n";
import { Chart, type Series } from "../../parts/Chart";
import { words as alertWords } from "../alerts/words";
import { words } from "./words";

const DAY = 86_400_000;
const COLORS: Record<string, string> = { accept: "#3e8635", tag: "#009596", hold: "#6753ac", quarantine: "#f0ab00", defer: "#2b9af3", reject: "#c9190b", discard: "#8a8d90" };
const sum = (values: number[]) => values.reduce((a, b) => a + b, 0);

/** A report as it stands in mails and PDFs, in the same order. */
export function Figures({ report, dark }: { report: Report; dark: boolean }) {
  const w = useWords(words);
  const conditions = useWords(alertWords).conditions;
  const { number, octets } = useTongue();
  const { held, whole } = report;
  const utc = useUtc(report.step);
  const percent = (n: number, of: number) => `${number(of ? Math.min((100 * n) / of, n < of ? 99.9 : 100) : 0, 1)} %`;
  const total = sum(report.mails.map((s) => sum(s.values)));
  const action = (...names: string[]) => sum(report.mails.filter((s) => names.includes(s.name)).map((s) => sum(s.values)));
  const flow = (name: string) => held.flow.find((s) => s.name === name)?.values ?? [];
  const ratio = report.before ? (total / report.before - 1) * 100 : null;
  const against = ratio === null ? "–" : `${ratio >= 0.05 ? "+" : ""}${number(ratio, 1)} %`;
  const counts = (counts: Count[], of: number, empty = "") => counts.map((c): ReactNode[] => [c.name || empty, number(c.count), percent(c.count, of)]);
  const of = (actions: Record<string, number>, ...names: string[]) => number(sum(names.map((n) => actions[n] ?? 0)));
  const timed = sum(whole?.delivery.delays.map((d) => d.count) ?? []);
  return (
    <>
      {report.silent.length > 0 && <Alert component="p" isInline variant="warning" title={w.silent.replace("{nodes}", () => report.silent.join(", "))} />}
      {report.domains.length > 0 && <Alert component="p" isInline isPlain variant="info" title={w.only.replace("{domains}", () => report.domains.join(", "))} />}
      {report.made < Date.parse(report.period.last) + DAY && <Alert component="p" isInline isPlain variant="info" title={w.notOver} />}
      <Tiles of={[[w.total, number(total)], [w.against, against], [w.accepted, number(action("accept", "tag"))], [w.heldBack, number(action("quarantine", "hold"))], [w.rejected, number(action("reject", "discard"))], ...(whole ? [[w.volume, octets(whole.octets)] as [string, string]] : [])]} />
      <Part title={w.mailsTitle}><Plot report={report} dark={dark} label={w.mailsTitle} empty={w.noMail} of={report.mails.map((s) => ({ ...s, label: w.actions[s.name] ?? s.name, color: COLORS[s.name] ?? "#8a8d90" }))} /></Part>
      {whole && whole.reasons.length > 0 && <Part title={w.reasons}><Rows label={w.reasons} heads={[w.reason, w.count, w.share]} rows={counts(whole.reasons, total)} figures={1} /></Part>}
      {whole && whole.symbols.length > 0 && <Part title={w.symbols}><Rows label={w.symbols} heads={[w.symbol, w.meaning, w.count]} rows={whole.symbols.map((s) => [<code key="s">{s.name}</code>, s.about, number(s.count)])} figures={2} /></Part>}
      <Part title={w.quarantine} flows>
        <Tiles of={[[w.atBegin, number(held.at_begin)], [w.cameIn, number(sum(flow("added")))], [w.released, number(sum(flow("released")))], [w.deleted, number(sum(flow("deleted")))], [w.atEnd, number(held.at_end)]]} />
        <Title headingLevel="h3" size="md">{w.cameInPlot}</Title>
        <Plot report={report} dark={dark} label={w.cameInPlot} empty={w.nothingHeld} of={[{ name: "added", values: flow("added"), label: w.cameIn, color: "#f0ab00" }]} />
        {sum([...flow("released"), ...flow("deleted")]) > 0 && (
          <>
            <Title headingLevel="h3" size="md">{w.leftPlot}</Title>
            <Plot report={report} dark={dark} label={w.leftPlot} empty="" of={[{ name: "released", values: flow("released"), label: w.released, color: "#3e8635" }, { name: "deleted", values: flow("deleted"), label: w.deleted, color: "#8a8d90" }]} />
          </>
        )}
        {held.senders.length > 0 && <><Title headingLevel="h3" size="md">{w.senders}</Title><Rows label={w.senders} heads={[w.sender, w.count, w.share]} rows={counts(held.senders, sum(flow("added")), w.nullPath)} figures={1} /></>}
        {held.recipients.length > 0 && <><Title headingLevel="h3" size="md">{w.recipientsOf}</Title><Rows label={w.recipientsOf} heads={[w.recipient, w.count, w.share]} rows={counts(held.recipients, sum(flow("added")))} figures={1} /></>}
      </Part>
      <Part title={w.byDomain}>
        {report.by_domain.length === 0 ? w.noMail : <Rows label={w.byDomain} heads={[w.domain, w.mails, w.accepted, w.heldBack, w.rejected]} rows={report.by_domain.map((d) => [d.domain === "*" ? w.others : d.domain, number(d.mails), of(d.actions, "accept", "tag"), of(d.actions, "quarantine", "hold"), of(d.actions, "reject", "discard")])} figures={1} />}
      </Part>
      {whole && (
        <>
          <Part title={w.edge}>
            <Plot report={report} dark={dark} label={w.edge} empty={w.noDrops} of={[{ name: "dropped", values: whole.dropped, label: w.dropped, color: "#c9190b" }]} />
            {whole.drops.length > 0 && <Rows label={w.edge} heads={[w.reason, w.count, w.share]} rows={counts(whole.drops, sum(whole.dropped))} figures={1} />}
          </Part>
          <Part title={w.delivery} flows>
            <Tiles of={[[w.delivered, number(whole.delivery.delivered)], [w.deferred, number(whole.delivery.deferred)], [w.failed, number(whole.delivery.failed)]]} />
            {timed > 0 && <><Title headingLevel="h3" size="md">{w.delays}</Title><Rows label={w.delays} heads={[w.within, w.count, w.share]} rows={whole.delivery.delays.map((d) => [w.delay[d.name] ?? d.name, number(d.count), percent(d.count, timed)])} figures={1} /></>}
            {sum(whole.delivery.queue) > 0 && <><Title headingLevel="h3" size="md">{w.queue}</Title><Plot report={report} dark={dark} label={w.queue} empty="" of={[{ name: "queue", values: whole.delivery.queue, label: w.waiting, color: "#2b9af3" }]} /></>}
          </Part>
          <Part title={w.alerts}>
            {whole.alerts.length === 0 ? w.noAlerts : <Rows label={w.alerts} heads={[w.what, w.node, w.from, w.until]} rows={whole.alerts.map((a) => [[conditions[a.condition] ?? a.condition, a.subject].filter(Boolean).join(": "), a.node ?? w.all, utc.moment(a.raised), a.ended === null ? w.goesOn : utc.moment(a.ended)])} figures={4} />}
          </Part>
          <Part title={w.nodes}><Rows label={w.nodes} heads={[w.node, w.mails, w.available]} rows={whole.nodes.map((n) => [n.name, n.minutes === null ? "–" : number(n.mails), n.minutes === null ? w.noAnswer : percent(Math.min(n.minutes, report.minutes), report.minutes)])} figures={1} /></Part>
        </>
      )}
      <p className="postern-soft">{w.made2.replace("{when}", utc.moment(report.made))}</p>
    </>
  );
}

/** Times of a report are those of UTC, as its days are. */
function useUtc(step: number) {
  const { language } = useTongue();
  return useMemo(() => {
    const locale = language === "en" ? "en-GB" : language;
    const format = (options: Intl.DateTimeFormatOptions) => {
      const made = new Intl.DateTimeFormat(locale, { ...options, timeZone: "UTC" });
      return (at: number) => made.format(at);
    };
    return { moment: format({ dateStyle: "medium", timeStyle: "short" }), step: format(step < DAY ? { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" } : { day: "numeric", month: "short", year: "numeric" }) };
  }, [language, step]);
}

/** `flows`: on paper it may go on on the next page. */
function Part({ title, flows, children }: { title: string; flows?: boolean; children: ReactNode }) {
  return <Card className={`postern-above${flows ? " postern-flows" : ""}`}><CardTitle component="h2">{title}</CardTitle><CardBody>{children}</CardBody></Card>;
}

function Tiles({ of }: { of: [string, string][] }) {
  return <Gallery hasGutter minWidths={{ default: "9rem" }} className="postern-gap">{of.map(([name, value]) => <Card key={name} isCompact><CardBody><div className="postern-figure">{value}</div>{name}</CardBody></Card>)}</Gallery>;
}

function Plot({ report, dark, label, empty, of }: { report: Report; dark: boolean; label: string; empty: string; of: (ReportSeries & Series)[] }) {
  const w = useWords(words);
  const { language, number } = useTongue();
  const utc = useUtc(report.step);
  // Drawn anew when the report is another, not whenever the page is.
  const series = useMemo<Series[]>(() => of, [report, language]);
  if (sum(of.map((s) => sum(s.values))) === 0) return <p className="postern-gap">{empty}</p>;
  return (
    <>
      <Chart label={label} times={report.times} step={report.step} zone="UTC" series={series} language={language} dark={dark} />
      <ExpandableSection toggleText={w.figures}>
        <Rows label={`${w.figures}: ${label}`} heads={[w.time, ...of.map((s) => s.label)]} rows={report.times.map((t, at) => [utc.step(t), ...of.map((s) => number(s.values[at] ?? 0))])} figures={1} />
      </ExpandableSection>
    </>
  );
}

/** Columns from `figures` on stand at the right. */
function Rows({ label, heads, rows, figures }: { label: string; heads: string[]; rows: ReactNode[][]; figures: number }) {
  const kind = (at: number) => (at < figures ? "postern-break" : "n");
  return (
    <div className="postern-scroll postern-gap" tabIndex={0} role="region" aria-label={label}>
      <table className="postern-wide">
        <thead><tr>{heads.map((head, at) => <th key={head} scope="col" className={kind(at)}>{head}</th>)}</tr></thead>
        <tbody>{rows.map((row, n) => <tr key={n}>{row.map((cell, at) => <td key={at} className={kind(at)}>{cell}</td>)}</tr>)}</tbody>
      </table>
    </div>
  );
}
