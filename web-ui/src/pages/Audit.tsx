import { Button, PageSection } from "@patternfly/react-core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";

import { api, asking, type Schemas } from "../api/client";
import { useTongue, useWords } from "../i18n";
import { Filters } from "../parts/Filters";
import { Head } from "../parts/Head";
import { Listing, type Column } from "../parts/Listing";
import { go, to, usePlace } from "../route";

const en = { title: "Audit", text: "Who did what on this node. Nothing can be removed from here.", who: "Who", action: "Action", actionHint: "quarantine.release, or quarantine. for all of a group", subject: "Subject", results: "Acts", empty: "No such act.", at: "When", address: "From", change: "Change", show: "Show", hide: "Hide", before: "Before", after: "After" };
const de: typeof en = { title: "Protokoll", text: "Wer auf diesem Knoten was tat. Von hier lässt sich nichts entfernen.", who: "Wer", action: "Handlung", actionHint: "quarantine.release, oder quarantine. für alle der Gruppe", subject: "Gegenstand", results: "Handlungen", empty: "Keine solche Handlung.", at: "Wann", address: "Von", change: "Änderung", show: "Zeigen", hide: "Verbergen", before: "Vorher", after: "Nachher" };

export default function AuditPage() {
  const { asked } = usePlace();
  return <Audit key={asked.toString()} asked={asked} />;
}

function Audit({ asked }: { asked: URLSearchParams }) {
  const w = useWords({ en, de });
  const { when } = useTongue();
  const [open, setOpen] = useState<number | null>(null);
  const given = Object.fromEntries(asked);
  const found = useInfiniteQuery({
    queryKey: ["audit", given],
    initialPageParam: 0,
    queryFn: ({ pageParam }) => api<Schemas["Trail"]>("GET", asking("/audit", { ...given, before: pageParam || undefined })),
    getNextPageParam: (page) => page.next ?? undefined,
  });
  const columns: Column<Schemas["AuditRow"]>[] = [
    { name: w.at, kind: "time", show: (r) => when(r.at) },
    { name: w.who, kind: "text", show: (r) => <>{r.who}<div className="postern-soft">{r.address}</div></> },
    { name: w.action, show: (r) => <code>{r.action}</code> },
    { name: w.subject, kind: "text", show: (r) => r.subject },
    { name: w.change, kind: "text", show: (r) => (r.before || r.after) && (
      <>
        <Button variant="link" isInline aria-expanded={open === r.id} onClick={() => setOpen(open === r.id ? null : r.id)}>{open === r.id ? w.hide : w.show}</Button>
        {open === r.id && (
          <>
            {r.before && <><div>{w.before}</div><pre className="postern-pre" tabIndex={0} role="region" aria-label={w.before}>{r.before}</pre></>}
            {r.after && <><div>{w.after}</div><pre className="postern-pre" tabIndex={0} role="region" aria-label={w.after}>{r.after}</pre></>}
          </>
        )}
      </>
    ) },
  ];
  const fields = [{ name: "who", label: w.who }, { name: "action", label: w.action, hint: w.actionHint }, { name: "subject", label: w.subject }];
  return (
    <>
      <Head title={w.title} text={w.text} />
      <PageSection><Filters label={w.title} fields={fields} asked={asked} search={(values) => go(to("audit", "", values))} /></PageSection>
      <PageSection aria-label={w.results}><Listing label={w.results} columns={columns} rows={found.data?.pages.flatMap((p) => p.entries) ?? []} id={(r) => String(r.id)} asked={found} empty={w.empty} /></PageSection>
    </>
  );
}
