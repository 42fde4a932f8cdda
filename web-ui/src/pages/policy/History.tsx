import { Button, Card, CardBody, CardTitle, Skeleton } from "@patternfly/react-core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { api, type Schemas } from "../../api/client";
import { useTongue, useWords } from "../../i18n";
import { Ask, type Question } from "../../parts/Ask";
import { Failure } from "../../parts/Failure";
import { Listing, type Column } from "../../parts/Listing";
import { useAct } from "../../parts/Said";
import { words } from "./words";

type Version = Schemas["VersionRow"];

/** The versions of the settings in which rules or lists changed. */
export function History() {
  const w = useWords(words);
  const { when } = useTongue();
  const queries = useQueryClient();
  const [open, setOpen] = useState<number | null>(null);
  const [question, setQuestion] = useState<Question | null>(null);
  const found = useQuery({ queryKey: ["policy-history"], queryFn: () => api<Schemas["Versions"]>("GET", "/policy/history") });
  const undo = useAct((version: number) => api<Schemas["SettingsChange"]>("POST", "/policy/undo", { to: version }), async ({ changed }) => {
    await queries.invalidateQueries();
    return changed ? w.saved : w.sameSaid;
  });
  const columns: Column<Version>[] = [
    { name: w.at, kind: "time", show: (v) => when(v.at) },
    { name: w.author, show: (v) => v.author },
    { name: w.message, kind: "text", show: (v) => <>{v.message || "–"}{open === v.id && <Difference version={v.id} />}</> },
    { name: w.acts, kind: "acts", show: (v) => (
      <>
        <Button variant="link" size="sm" aria-expanded={open === v.id} onClick={() => setOpen(open === v.id ? null : v.id)}>{open === v.id ? w.hide : w.show}</Button>
        <Button variant="link" size="sm" isDisabled={undo.isPending} onClick={() => setQuestion({ title: w.undoAsk, text: <>{v.message} ({v.author}, {when(v.at)}). {w.undoText}</>, button: w.undo, act: () => undo.mutate(v.id) })}>{w.undo}</Button>
      </>
    ) },
  ];
  return (
    <Card>
      <CardTitle component="h2">{w.versions}</CardTitle>
      <CardBody><Listing label={w.versions} columns={columns} rows={found.data?.versions ?? []} id={(v) => String(v.id)} asked={found} empty={w.noVersions} /></CardBody>
      <Ask question={question} close={() => setQuestion(null)} />
    </Card>
  );
}

function Difference({ version }: { version: number }) {
  const w = useWords(words);
  const found = useQuery({ queryKey: ["policy-history", "diff", version], queryFn: () => api<Schemas["Difference"]>("GET", `/policy/history/${version}/diff`) });
  if (found.isPending) return <Skeleton height="4rem" />;
  if (!found.data) return <Failure error={found.error ?? new Error()} again={() => void found.refetch()} />;
  if (!found.data.diff.trim()) return <p className="postern-soft">{w.noDifference}</p>;
  return (
    <pre className="postern-diff" tabIndex={0} role="region" aria-label={w.diff}>
      {found.data.diff.split("\n").map((line, at) => <span key={at} className={line.startsWith("+") ? "plus" : line.startsWith("-") ? "minus" : ""}>{line}{"\n"}</span>)}
    </pre>
  );
}
