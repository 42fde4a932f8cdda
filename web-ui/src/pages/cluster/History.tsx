import { Button, Card, CardBody, CardTitle, Content } from "@patternfly/react-core";
import { useInfiniteQuery, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { api, asking, type Schemas } from "../../api/client";
import { useNodeNames } from "../../api/nodes";
import type { ClusterDifference, ClusterVersion } from "../../api/shapes";
import { useTongue, useWords } from "../../i18n";
import { Ask, type Question } from "../../parts/Ask";
import { Listing, type Column } from "../../parts/Listing";
import { May } from "../../parts/May";
import { useAct } from "../../parts/Said";
import { words } from "./words";

const PAGE = 20;

export function History() {
  const w = useWords(words);
  const { when } = useTongue();
  const node = useNodeNames();
  const queries = useQueryClient();
  const [open, setOpen] = useState<string | null>(null);
  const [question, setQuestion] = useState<Question | null>(null);
  const found = useInfiniteQuery({
    queryKey: ["cluster-history"],
    initialPageParam: "",
    queryFn: ({ pageParam }) => api<{ versions: ClusterVersion[] }>("GET", asking("/cluster/history", { before: pageParam, limit: PAGE })),
    getNextPageParam: (page) => (page.versions.length === PAGE ? page.versions.at(-1)?.hash : undefined),
    refetchInterval: 15_000,
  });
  const rows = found.data?.pages.flatMap((p) => p.versions) ?? [];
  const undo = useAct((version: string) => api<Schemas["Undone"]>("POST", "/cluster/undo", { version }), async ({ left }) => {
    await queries.invalidateQueries();
    return left.length ? w.undoneLeft.replace("{left}", () => left.join(", ")) : w.undoneSaid;
  });
  const columns: Column<ClusterVersion>[] = [
    { name: w.at, kind: "time", show: (v) => when(v.at) },
    { name: w.author, show: (v) => v.author },
    { name: w.node, show: (v) => node(v.node) },
    { name: w.message, kind: "text", show: (v) => <>{v.message}{open === v.hash && <Changes of={v} before={rows[rows.indexOf(v) + 1]} />}</> },
    { name: w.acts, kind: "acts", show: (v) => (
      <>
        <Button variant="link" size="sm" aria-expanded={open === v.hash} onClick={() => setOpen(open === v.hash ? null : v.hash)}>{open === v.hash ? w.hide : w.show}</Button>
        <May ask="POST /cluster/undo"><Button variant="link" size="sm" isDisabled={undo.isPending} onClick={() => setQuestion({ title: w.undoAsk, text: <>{v.message} ({v.author}, {when(v.at)}). {w.undoText}</>, button: w.undo, act: () => undo.mutate(v.hash) })}>{w.undo}</Button></May>
      </>
    ) },
  ];
  return (
    <Card>
      <CardTitle component="h2">{w.history}</CardTitle>
      <CardBody>
        <Content component="p" className="postern-soft">{w.historyText}</Content>
        <Listing label={w.history} columns={columns} rows={rows} id={(v) => v.hash} asked={found} empty={w.noHistory} />
      </CardBody>
      <Ask question={question} close={() => setQuestion(null)} />
    </Card>
  );
}

/** What differs between a version and the one listed below it. */
function Changes({ of, before }: { of: ClusterVersion; before: ClusterVersion | undefined }) {
  const w = useWords(words);
  const found = useQuery({
    queryKey: ["cluster-diff", before?.hash, of.hash],
    enabled: before !== undefined,
    queryFn: () => api<{ differences: ClusterDifference[] }>("GET", asking("/cluster/diff", { from: before?.hash, to: of.hash })),
    staleTime: Infinity,
  });
  if (!before) return <p className="postern-soft">{w.noDifference}</p>;
  const shown = (value: unknown) => (value === null || value === undefined ? "–" : JSON.stringify(value));
  return <Listing label={w.changes} rows={found.data?.differences ?? []} id={(d) => d.path} asked={found} empty={w.noDifference} columns={[
    { name: w.setting, kind: "text", show: (d) => <code>{d.path}</code> }, { name: w.before, kind: "text", show: (d) => <code>{shown(d.before)}</code> }, { name: w.after, kind: "text", show: (d) => <code>{shown(d.after)}</code> }]} />;
}
