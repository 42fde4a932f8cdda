import { Button, PageSection, Toolbar, ToolbarContent, ToolbarItem } from "@patternfly/react-core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";

import { api, asking, type Schemas } from "../../api/client";
import { useMay } from "../../api/may";
import { useNodeNames } from "../../api/nodes";
import type { QuarantineRow } from "../../api/shapes";
import { useTongue, useWords } from "../../i18n";
import { Ask, type Question } from "../../parts/Ask";
import { Filters, milliseconds } from "../../parts/Filters";
import { Head } from "../../parts/Head";
import { Listing, type Column } from "../../parts/Listing";
import { Mark } from "../../parts/Marks";
import { useAct, useSay } from "../../parts/Said";
import { go, to } from "../../route";
import { useEnding, wording, type End } from "./ending";
import { words } from "./words";

export function Search({ asked }: { asked: URLSearchParams }) {
  const w = useWords(words);
  const { words: common, number, moment, when } = useTongue();
  const [picked, setPicked] = useState<ReadonlySet<string>>(new Set());
  const [question, setQuestion] = useState<Question | null>(null);
  const node = useNodeNames();
  const say = useSay();
  const end = useEnding();
  const may = useMay();
  const given = Object.fromEntries(asked);
  const found = useInfiniteQuery({
    queryKey: ["quarantine", given],
    initialPageParam: "",
    queryFn: ({ pageParam }) => api<Schemas["QuarantinePage"]>("GET", asking("/quarantine", { ...given, from: milliseconds(asked.get("from")), to: milliseconds(asked.get("to")), before: pageParam })),
    getNextPageParam: (page) => page.next ?? undefined,
    refetchInterval: 30_000,
  });
  const rows = found.data?.pages.flatMap((p) => p.mails) ?? [];
  const held = new Set(rows.filter((r) => r.state === "held").map((r) => r.mail));
  const chosen = [...picked].filter((mail) => held.has(mail));
  const ending = useAct(({ how, mails }: { how: End; mails: readonly string[] }) => end(how, mails), ({ done, failed }, { how, mails }) => {
    setPicked(new Set());
    if (failed.length) {
      say([w.bulkFailed.replace("{done}", number(done)).replace("{failed}", number(failed.length)), ...new Set(failed)].join(" "), "bad");
      return undefined;
    }
    return mails.length > 1 ? w.bulkSaid.replace("{n}", number(done)) : wording(w, how).said;
  });
  const ask = (how: End, mails: readonly string[]) => {
    const what = mails.length === 1 ? w.one : w.many.replace("{n}", number(mails.length));
    const { ask: title, text, button } = wording(w, how);
    setQuestion({ title: title.replace("{n}", what), text, button, danger: how.what === "delete", act: () => ending.mutate({ how, mails }) });
  };
  const serves = may("POST /quarantine/{mail}/release");
  const learns = may("POST /learn/{kind}");
  const clustered = rows.some((r) => r.holder);
  const columns: Column<QuarantineRow>[] = [
    { name: w.time, kind: "time", show: (r) => <a href={to(may("GET /quarantine/{mail}") ? "quarantine" : "tracking", r.mail)} title={when(r.at)}>{moment(r.at)}</a> },
    { name: w.sender, kind: "text", show: (r) => r.sender || w.nullPath },
    { name: w.recipient, kind: "text", show: (r) => (r.recipients.length > 1 ? w.others.replace("{first}", () => r.recipients[0] ?? "").replace("{n}", number(r.recipients.length - 1)) : r.recipients[0]) },
    { name: common.subject, kind: "text", show: (r) => r.subject },
    { name: w.score, kind: "number", show: (r) => number(r.score, 1) },
    { name: w.state, kind: "text", show: (r) => (
      <>
        <Mark word={r.state} />
        <div className="postern-soft">{r.reason}</div>
        {clustered && <div className="postern-soft">{w.onNode.replace("{node}", () => node(r.holder) ?? w.thisNode)}</div>}
      </>
    ) },
    { name: w.acts, kind: "acts", show: (r) => r.state === "held" && serves && (
      <>
        <Button variant="link" size="sm" isDisabled={ending.isPending} onClick={() => ask({ what: "release" }, [r.mail])}>{w.release}</Button>
        <Button variant="link" size="sm" isDanger isDisabled={ending.isPending} onClick={() => ask({ what: "delete" }, [r.mail])}>{w.delete}</Button>
      </>
    ) },
  ];
  const states: [string, string][] = [["", w.held], ["released", w.released], ["deleted", w.deleted], ["all", w.all]];
  const fields = [{ name: "text", label: w.search }, { name: "recipient", label: w.recipient }, { name: "state", label: w.state, choices: states }];
  const more = [{ name: "reason", label: w.reason, hint: "score-quarantine" }, { name: "from", label: w.from, type: "datetime-local" as const }, { name: "to", label: w.to, type: "datetime-local" as const }];
  return (
    <>
      <Head title={w.title} text={w.text} />
      <PageSection><Filters label={w.title} fields={fields} more={more} asked={asked} search={(values) => go(to("quarantine", "", values))} /></PageSection>
      <PageSection aria-label={w.results}>
        {held.size > 0 && serves && (
          <Toolbar>
            <ToolbarContent>
              <ToolbarItem alignSelf="center" aria-live="polite">{w.chosen.replace("{n}", number(chosen.length))}</ToolbarItem>
              <ToolbarItem><Button variant="secondary" isDisabled={!chosen.length || ending.isPending} isLoading={ending.isPending} onClick={() => ask({ what: "release" }, chosen)}>{w.release}</Button></ToolbarItem>
              {learns && <ToolbarItem><Button variant="secondary" isDisabled={!chosen.length || ending.isPending} onClick={() => ask({ what: "release", learn: true }, chosen)}>{w.releaseLearn}</Button></ToolbarItem>}
              <ToolbarItem><Button variant="secondary" isDanger isDisabled={!chosen.length || ending.isPending} onClick={() => ask({ what: "delete" }, chosen)}>{w.delete}</Button></ToolbarItem>
              {learns && <ToolbarItem><Button variant="secondary" isDanger isDisabled={!chosen.length || ending.isPending} onClick={() => ask({ what: "delete", learn: true }, chosen)}>{w.deleteLearn}</Button></ToolbarItem>}
            </ToolbarContent>
          </Toolbar>
        )}
        <Listing label={w.results} columns={columns} rows={rows} id={(r) => r.mail} asked={found} empty={w.empty} {...(serves ? { picked: { ids: picked, set: setPicked, can: (mail: string) => held.has(mail) } } : {})} />
      </PageSection>
      <Ask question={question} close={() => setQuestion(null)} />
    </>
  );
}
