import { Alert, PageSection } from "@patternfly/react-core";
import { useInfiniteQuery } from "@tanstack/react-query";

import { api, asking, type Schemas } from "../../api/client";
import type { JourneyRow } from "../../api/shapes";
import { useTongue, useWords } from "../../i18n";
import { Filters, milliseconds } from "../../parts/Filters";
import { Head } from "../../parts/Head";
import { Listing, type Column } from "../../parts/Listing";
import { Mark } from "../../parts/Marks";
import { go, to } from "../../route";
import { words } from "./words";

export const ACTIONS = ["accept", "tag", "hold", "quarantine", "defer", "reject", "discard"] as const;

export function Search({ asked }: { asked: URLSearchParams }) {
  const w = useWords(words);
  const { words: common, number, moment, when } = useTongue();
  const given = Object.fromEntries(asked);
  const found = useInfiniteQuery({
    queryKey: ["journeys", given],
    initialPageParam: "",
    queryFn: ({ pageParam }) => api<Schemas["JourneyPage"]>("GET", asking("/journeys", { ...given, from: milliseconds(asked.get("from")), to: milliseconds(asked.get("to")), before: pageParam })),
    getNextPageParam: (page) => page.next ?? undefined,
  });
  const rows = found.data?.pages.flatMap((p) => p.journeys) ?? [];
  const silent = [...new Set(found.data?.pages.flatMap((p) => p.silent))];
  const clustered = rows.some((r) => r.node);
  const columns: Column<JourneyRow>[] = [
    { name: w.time, kind: "time", show: (r) => <a href={to("tracking", r.mail)} title={when(r.at)}>{moment(r.at)}</a> },
    { name: w.sender, kind: "text", show: (r) => r.sender || w.nullPath },
    { name: w.recipient, kind: "text", show: (r) => (r.recipients.length > 1 ? w.others.replace("{first}", () => r.recipients[0] ?? "").replace("{n}", number(r.recipients.length - 1)) : r.recipients[0]) },
    { name: common.subject, kind: "text", show: (r) => r.subject },
    { name: w.score, kind: "number", show: (r) => number(r.score, 1) },
    { name: w.action, show: (r) => <Mark word={r.action} /> },
    { name: w.reason, show: (r) => r.reason },
    ...(clustered ? [{ name: w.node, show: (r: JourneyRow) => r.node }] : []),
  ];
  const fields = [{ name: "sender", label: w.sender }, { name: "recipient", label: w.recipient }, { name: "subject", label: w.subject },
    { name: "action", label: w.action, choices: [["", w.any], ...ACTIONS.map((a): [string, string] => [a, common.marks[a]])] as [string, string][] }];
  const more = [{ name: "client", label: w.client }, { name: "message_id", label: w.messageId }, { name: "mail", label: w.mail }, { name: "reason", label: w.reason, hint: "score-reject" },
    { name: "direction", label: w.direction, choices: [["", w.any], ["inbound", w.inbound], ["outbound", w.outbound]] as [string, string][] },
    { name: "from", label: w.from, type: "datetime-local" as const }, { name: "to", label: w.to, type: "datetime-local" as const }];
  return (
    <>
      <Head title={w.title} text={w.text} />
      <PageSection><Filters label={w.title} fields={fields} more={more} asked={asked} search={(values) => go(to("tracking", "", values))} /></PageSection>
      <PageSection aria-label={w.results}>
        {silent.length > 0 && <Alert component="p" isInline variant="warning" title={`${w.silent}: ${silent.join(", ")}`} />}
        <Listing label={w.results} columns={columns} rows={rows} id={(r) => r.mail} asked={found} empty={w.empty} />
      </PageSection>
    </>
  );
}
