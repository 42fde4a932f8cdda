import { Button, Card, CardBody, CardTitle, Content, Label } from "@patternfly/react-core";
import { useQuery, useQueryClient } from "@tanstack/react-query";

import { api, asking } from "../../api/client";
import type { Edge, Sample } from "../../api/shapes";
import { useTongue, useWords } from "../../i18n";
import { Listing, THERE } from "../../parts/Listing";
import { useMay } from "../../api/may";
import { useAct } from "../../parts/Said";
import { words } from "./words";

export function Counters({ of }: { of: Edge["counters"] }) {
  const w = useWords(words);
  const { number, octets } = useTongue();
  const rows = of.filter((c) => c.packets > 0).sort((a, b) => Number(b.drops) - Number(a.drops) || b.packets - a.packets);
  return (
    <Card>
      <CardTitle component="h2">{w.counters}</CardTitle>
      <CardBody>
        <Listing label={w.counters} rows={rows} id={(c) => c.name} asked={THERE} empty={w.noCounters} columns={[
          { name: w.counter, kind: "text", show: (c) => c.name }, { name: w.kind, show: (c) => <Label isCompact className="postern-mark" color={c.drops ? "red" : "green"}>{c.drops ? w.dropped : w.passed}</Label> },
          { name: w.packets, kind: "number", show: (c) => number(c.packets) }, { name: w.octets, kind: "number", show: (c) => octets(c.octets) }]} />
      </CardBody>
    </Card>
  );
}

export function Samples() {
  const w = useWords(words);
  const { number, when } = useTongue();
  const samples = useQuery({ queryKey: ["samples"], queryFn: () => api<{ samples: Sample[] }>("GET", asking("/edge/samples", { limit: 50 })), refetchInterval: 5000 });
  const rows = (samples.data?.samples ?? []).map((s, at) => ({ ...s, key: `${s.at}-${at}` }));
  return (
    <Card>
      <CardTitle component="h2">{w.samples}</CardTitle>
      <CardBody>
        <Content component="p" className="postern-soft">{w.samplesText}</Content>
        <Listing label={w.samples} rows={rows} id={(s) => s.key} asked={samples} empty={w.noSamples} columns={[
          { name: w.at, kind: "time", show: (s) => when(s.at) }, { name: w.source, kind: "text", show: (s) => s.source }, { name: w.port, kind: "number", show: (s) => s.port }, { name: w.reason, show: (s) => s.reason }, { name: w.length, kind: "number", show: (s) => number(s.length) }]} />
      </CardBody>
    </Card>
  );
}

export function Feeds({ of }: { of: Edge["feeds"] }) {
  const w = useWords(words);
  const { number, when } = useTongue();
  const queries = useQueryClient();
  const may = useMay();
  const reload = useAct(() => api("POST", "/edge/feeds/reload"), async () => {
    await queries.invalidateQueries({ queryKey: ["edge"] });
    return w.reloadedSaid;
  });
  return (
    <Card>
      <CardTitle component="h2">{w.feeds}</CardTitle>
      <CardBody>
        <Listing label={w.feeds} rows={of} id={(f) => f.name} asked={THERE} empty={w.noFeeds} columns={[
          { name: w.feed, kind: "text", show: (f) => f.name }, { name: w.entries, kind: "number", show: (f) => number(f.entries) }, { name: w.loaded, show: (f) => (f.loaded ? when(f.loaded) : w.never) }, { name: w.error, kind: "text", show: (f) => f.error ?? "–" }]} />
        {of.length > 0 && may("POST /edge/feeds/reload") && <Button variant="secondary" className="postern-above" isDisabled={reload.isPending} onClick={() => reload.mutate(undefined)}>{w.reload}</Button>}
      </CardBody>
    </Card>
  );
}

export function Interfaces({ of }: { of: Edge["interfaces"] }) {
  const w = useWords(words);
  return (
    <Card>
      <CardTitle component="h2">{w.interfaces}</CardTitle>
      <CardBody>
        <Listing label={w.interfaces} rows={of} id={(i) => i.name} asked={THERE} empty={w.noInterfaces} columns={[
          { name: w.interface, show: (i) => i.name }, { name: w.mode, show: (i) => i.mode }, { name: w.attached, show: (i) => (i.attached ? w.yes : w.no) }]} />
      </CardBody>
    </Card>
  );
}
