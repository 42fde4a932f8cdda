import { Checkbox, PageSection, ToolbarItem } from "@patternfly/react-core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";

import { api, asking } from "../../api/client";
import { useMay } from "../../api/may";
import type { QueueRow } from "../../api/shapes";
import { useTongue, useWords } from "../../i18n";
import { Filters } from "../../parts/Filters";
import { Head } from "../../parts/Head";
import { Listing, type Column } from "../../parts/Listing";
import { Mark } from "../../parts/Marks";
import { go, to } from "../../route";
import { Orders, type Filter } from "./Orders";
import { words } from "./words";

export function List({ asked }: { asked: URLSearchParams }) {
  const w = useWords(words);
  const { words: common, number, moment, when } = useTongue();
  const [picked, setPicked] = useState<ReadonlySet<string>>(new Set());
  const [all, setAll] = useState(false);
  const orders = useMay()("POST /queue/retry");
  const given = Object.fromEntries(asked);
  const found = useInfiniteQuery({
    queryKey: ["queue", given],
    initialPageParam: "",
    queryFn: ({ pageParam }) => api<{ mails: QueueRow[]; next?: string | null; total: number }>("GET", asking("/queue", { ...given, after: pageParam, limit: 50 })),
    getNextPageParam: (page) => page.next ?? undefined,
    refetchInterval: 10_000,
  });
  const rows = found.data?.pages.flatMap((p) => p.mails) ?? [];
  const total = found.data?.pages[0]?.total ?? 0;
  const chosen = rows.filter((r) => picked.has(r.id)).map((r) => r.id);
  const filter: Filter = all ? (asked.size ? given : { all: true }) : { ids: chosen };
  const columns: Column<QueueRow>[] = [
    { name: w.accepted, kind: "time", show: (r) => <a href={to("queue", r.id)} title={when(r.accepted)}>{moment(r.accepted)}</a> },
    { name: w.sender, kind: "text", show: (r) => r.sender || w.nullPath },
    { name: w.recipient, kind: "text", show: (r) => (r.recipients.length > 1 ? w.others.replace("{first}", () => r.recipients[0]?.address ?? "").replace("{n}", number(r.recipients.length - 1)) : r.recipients[0]?.address) },
    { name: w.subject, kind: "text", show: (r) => r.subject },
    { name: w.status, show: (r) => <Mark word={r.status} /> },
    { name: w.lastReply, kind: "text", show: (r) => r.recipients.find((x) => x.last)?.last?.reply },
    { name: w.next, kind: "time", show: (r) => {
      const next = Math.min(...r.recipients.flatMap((x) => (x.next_attempt === null ? [] : [x.next_attempt])));
      if (r.held_until) return <span title={w.sandbox}>{w.untilLatest} {moment(r.held_until)}</span>;
      return Number.isFinite(next) ? moment(next) : "–";
    } },
  ];
  const states = [["", w.any], ...(["active", "ready", "waiting", "held"] as const).map((s) => [s, common.marks[s]])] as [string, string][];
  const fields = [{ name: "sender", label: w.sender }, { name: "recipient", label: w.recipient }, { name: "domain", label: w.domain }, { name: "status", label: w.status, choices: states }];
  const more = [{ name: "reply", label: w.reply }, { name: "older_than", label: w.older, hint: w.span }, { name: "younger_than", label: w.younger, hint: w.span }];
  return (
    <>
      <Head title={w.title} text={w.text} />
      <PageSection><Filters label={w.title} fields={fields} more={more} asked={asked} search={(values) => go(to("queue", "", values))} /></PageSection>
      <PageSection aria-label={w.results}>
        {rows.length > 0 && orders && (
          <Orders filter={filter} count={all ? total : chosen.length} done={() => { setPicked(new Set()); setAll(false); }}>
            <ToolbarItem alignSelf="center" aria-live="polite">{all ? w.total.replace("{n}", number(total)) : w.chosen.replace("{n}", number(chosen.length))}</ToolbarItem>
            {total > 1 && <ToolbarItem alignSelf="center"><Checkbox id="queue-all" label={w.allMatching.replace("{n}", number(total))} isChecked={all} onChange={(_, on) => setAll(on)} /></ToolbarItem>}
          </Orders>
        )}
        <Listing label={w.results} columns={columns} rows={rows} id={(r) => r.id} asked={found} empty={w.empty} {...(orders ? { picked: { ids: picked, set: setPicked, can: () => !all } } : {})} />
      </PageSection>
    </>
  );
}
