import { Alert, Card, CardBody, CardTitle, Content, Label } from "@patternfly/react-core";
import { useQuery } from "@tanstack/react-query";

import { api, type Schemas } from "../../api/client";
import { useNodeNames } from "../../api/nodes";
import type { Opened, SandboxEvent, SandboxFinding, SandboxPart, Watched } from "../../api/shapes";
import { useTongue, useWords } from "../../i18n";
import { Facts } from "../Facts";
import { Listing, THERE } from "../Listing";
import { words } from "./words";

/** What came of a mail's attachments: parts, findings and what scripts did. Every text is the sender's, and stays text. */
export function Attachments({ of, title }: { of: Opened[]; title?: string }) {
  const w = useWords(words);
  return (
    <Card>
      <CardTitle component="h2">{title ?? w.title}</CardTitle>
      <CardBody><Content component="p" className="postern-soft">{w.text}</Content></CardBody>
      {of.map((opened, at) => <One key={at} opened={opened} />)}
    </Card>
  );
}

function One({ opened }: { opened: Opened }) {
  const w = useWords(words);
  const { number, octets } = useTongue();
  const node = useNodeNames();
  // What each finding is for changes with the version only.
  const symbols = useQuery({ queryKey: ["symbols"], queryFn: () => api<Schemas["Symbols"]>("GET", "/symbols"), staleTime: Infinity });
  const about = new Map(symbols.data?.symbols.map((s) => [s.name, s.description]));
  const { report, left_out, seen } = opened;
  const { parts, findings, timeline, watch } = report;
  const depth = (at: number): number => {
    const outer = parts[at]?.inside ?? null;
    return outer === null ? 0 : 1 + depth(outer);
  };
  const name = parts[0]?.name || w.part;
  const by = typeof seen === "string" ? w[seen] : w.peer.replace("{node}", () => node(seen["by-peer"]) ?? "");
  const contacted = [...new Set(timeline.map(host).filter((h) => h !== null))];
  return (
    <>
      <CardTitle component="h3" className="postern-break">{name}</CardTitle>
      <CardBody>
        <Facts of={[[w.opened, by], [w.contacted, contacted.length > 0 ? contacted.map((h) => <code key={h} className="postern-break">{h} </code>) : null], [w.watch, watch && (watch.cells > 0 || watch.without !== null) ? <Watch of={watch} /> : null]]} />
        {left_out > 0 && <Alert component="p" isInline isPlain variant="info" title={w.leftOut.replace("{n}", number(left_out))} />}
        <Listing<SandboxPart & { at: number }> label={`${w.tree}: ${name}`} rows={parts.map((p, at) => ({ ...p, at }))} id={(p) => String(p.at)} asked={THERE} empty="" columns={[
          { name: w.part, kind: "number", show: (p) => p.at },
          { name: w.name, kind: "text", show: (p) => <span style={{ paddingInlineStart: `${Math.min(depth(p.at), 12)}rem` }}>{p.name}</span> },
          { name: w.is, show: (p) => p.kind }, { name: w.size, kind: "number", show: (p) => octets(p.size) },
          { name: w.findings, show: (p) => { const n = findings.filter((f) => f.part === p.at).length; return n > 0 ? <Label isCompact color="red">{number(n)}</Label> : null; } }]} />
        <Listing<SandboxFinding & { at: number }> label={`${w.findings}: ${name}`} rows={findings.map((f, at) => ({ ...f, at }))} id={(f) => String(f.at)} asked={THERE} empty={w.noFindings} columns={[
          { name: w.part, kind: "number", show: (f) => f.part },
          { name: w.finding, kind: "text", show: (f) => <><code>{f.name}</code><div className="postern-soft">{about.get(`SANDBOX_${f.name}`)}</div></> },
          { name: w.evidence, kind: "text", show: (f) => f.evidence }]} />
        {timeline.length > 0 && <Listing<SandboxEvent & { place: number }> label={`${w.timeline}: ${name}`} rows={timeline.map((e, place) => ({ ...e, place }))} id={(e) => String(e.place)} asked={THERE} empty="" columns={[
          { name: w.second, kind: "number", show: (e) => number(e.at / 1000, 3) }, { name: w.part, kind: "number", show: (e) => e.part },
          { name: w.did, show: (e) => w.actions[e.action] ?? e.action },
          { name: w.what, kind: "text", show: (e) => <>{e.text}{e.times > 1 && <span className="postern-soft"> {w.times.replace("{n}", number(e.times))}</span>}</> },
          { name: w.by, kind: "text", show: (e) => e.detail }]} />}
      </CardBody>
    </>
  );
}

/** Whether the kernel watched its cells, and what it cannot say. */
function Watch({ of: { cells, seen, lost, without, partly } }: { of: Watched }) {
  const w = useWords(words);
  const { number } = useTongue();
  const word = without === null ? w.watched : cells === 0 ? w.unwatched : w.notAll;
  const said = [word.replace("{cells}", number(cells)).replace("{seen}", number(seen)).replace("{why}", () => without ?? "")];
  if (lost > 0) said.push(w.lost.replace("{n}", number(lost)));
  if (partly !== null) said.push(w.partly.replace("{why}", () => partly));
  return <span className="postern-break">{said.join("; ")}</span>;
}

/** The name that an event spoke to. */
function host(event: SandboxEvent): string | null {
  if (event.action !== "load" && event.action !== "go") return null;
  return /:\/\/(?:[^/?#\s]*@)?(\[[^\]]*\]|[^/:?#\s]+)/.exec(event.text)?.[1] ?? null;
}
