import { Button, Card, CardBody, CardTitle, Skeleton } from "@patternfly/react-core";
import { useQuery } from "@tanstack/react-query";
import { useState, type ComponentProps } from "react";

import { api, type Schemas } from "../api/client";
import { useTongue } from "../i18n";
import { Ask, type Question } from "./Ask";
import { Failure } from "./Failure";
import { Listing, type Column } from "./Listing";
import { May } from "./May";

type Version = Schemas["VersionRow"];
type Words = Record<"versions" | "noVersions" | "at" | "author" | "what" | "acts" | "show" | "hide" | "undo" | "undoAsk" | "undoText" | "diff" | "noDifference", string>;
interface Given {
  /** Of the API: what changed since a version is at `PATH/history/ID/diff`. */
  path: "/policy" | "/settings";
  rows: Version[];
  asked: ComponentProps<typeof Listing<Version>>["asked"];
  undo: { isPending: boolean; mutate: (version: number) => void };
  w: Words;
}

/** Versions, newest first: what changed since each, and back to it. */
export function Versions({ path, rows, asked, undo, w }: Given) {
  const { when } = useTongue();
  const [open, setOpen] = useState<number | null>(null);
  const [question, setQuestion] = useState<Question | null>(null);
  const columns: Column<Version>[] = [
    { name: w.at, kind: "time", show: (v) => when(v.at) },
    { name: w.author, show: (v) => v.author },
    { name: w.what, kind: "text", show: (v) => <>{v.message || "–"}{open === v.id && <Difference path={path} version={v.id} w={w} />}</> },
    { name: w.acts, kind: "acts", show: (v) => (
      <>
        <Button variant="link" size="sm" aria-expanded={open === v.id} onClick={() => setOpen(open === v.id ? null : v.id)}>{open === v.id ? w.hide : w.show}</Button>
        <May ask={`POST ${path}/undo`}><Button variant="link" size="sm" isDisabled={undo.isPending} onClick={() => setQuestion({ title: w.undoAsk, text: <>{v.message} ({v.author}, {when(v.at)}). {w.undoText}</>, button: w.undo, act: () => undo.mutate(v.id) })}>{w.undo}</Button></May>
      </>
    ) },
  ];
  return (
    <Card>
      <CardTitle component="h2">{w.versions}</CardTitle>
      <CardBody><Listing label={w.versions} columns={columns} rows={rows} id={(v) => String(v.id)} asked={asked} empty={w.noVersions} /></CardBody>
      <Ask question={question} close={() => setQuestion(null)} />
    </Card>
  );
}

function Difference({ path, version, w }: { path: string; version: number; w: Words }) {
  const found = useQuery({ queryKey: ["diff", path, version], queryFn: () => api<Schemas["Difference"]>("GET", `${path}/history/${version}/diff`) });
  if (found.isPending) return <Skeleton height="4rem" />;
  if (!found.data) return <Failure error={found.error ?? new Error()} again={() => void found.refetch()} />;
  if (!found.data.diff.trim()) return <p className="postern-soft">{w.noDifference}</p>;
  return (
    <pre className="postern-diff" tabIndex={0} role="region" aria-label={w.diff}>
      {found.data.diff.split("\n").map((line, at) => <span key={at} className={line.startsWith("+") ? "plus" : line.startsWith("-") ? "minus" : ""}>{line}{"\n"}</span>)}
    </pre>
  );
}
