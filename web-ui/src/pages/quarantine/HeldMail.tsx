import { Alert, Button, Card, CardBody, CardTitle, ExpandableSection, Grid, GridItem, PageSection, Spinner } from "@patternfly/react-core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { api, part, Refused, type Schemas } from "../../api/client";
import { useMay } from "../../api/may";
import { useNodeNames } from "../../api/nodes";
import type { JourneyView, Opened } from "../../api/shapes";
import { useTongue, useWords } from "../../i18n";
import { Ask, type Question } from "../../parts/Ask";
import { Attachments } from "../../parts/attachments";
import { Facts } from "../../parts/Facts";
import { Failure } from "../../parts/Failure";
import { Head } from "../../parts/Head";
import { Listing, THERE } from "../../parts/Listing";
import { MailText } from "../../parts/MailText";
import { Mark } from "../../parts/Marks";
import { useAct } from "../../parts/Said";
import { go, to } from "../../route";
import { useEnding, wording, type End } from "./ending";
import { words } from "./words";

/** A report that somebody asked for. */
interface Again { at: number; by: string; attachments: Opened[] }
export function HeldMail({ id }: { id: string }) {
  const w = useWords(words);
  const { words: common, number, octets, when } = useTongue();
  const node = useNodeNames();
  const end = useEnding();
  const may = useMay();
  const [question, setQuestion] = useState<Question | null>(null);
  // A look is written into the audit trail: it is not repeated by itself.
  const found = useQuery({ queryKey: ["quarantined", id], queryFn: () => api<Schemas["QuarantineView"]>("GET", `/quarantine/${part(id)}`), refetchOnWindowFocus: false, staleTime: Infinity, gcTime: 0 });
  // What was seen in its attachments is told with its journey. A mail without one has none to show.
  const journey = useQuery({ queryKey: ["journey", id], queryFn: () => api<JourneyView>("GET", `/journeys/${part(id)}`), staleTime: Infinity, retry: false });
  const steps = journey.data?.steps ?? [];
  const attachments = steps.flatMap((s) => (s.event === "taken-apart" ? s.attachments ?? [] : []));
  const [fresh, setFresh] = useState<Again | null>(null);
  const again = [...steps.flatMap((s): Again[] => (s.event === "opened-again" ? [{ at: s.at, by: String(s.by), attachments: s.attachments ?? [] }] : [])), ...(fresh ? [fresh] : [])];
  const opening = useAct(() => api<Schemas["OpenedAgain"]>("POST", `/quarantine/${part(id)}/open`), (opened) => {
    setFresh({ at: Date.now(), by: "", attachments: opened.attachments as unknown as Opened[] });
    return opened.attachments.length > 0 ? w.openedSaid : w.nothingToOpen;
  });
  const ending = useAct(async (how: End) => {
    const { failed } = await end(how, [id]);
    if (failed[0]) throw new Refused(409, failed[0]);
  }, (_, how) => {
    go(to("quarantine"));
    return wording(w, how).said;
  });
  const above = { name: w.title, to: to("quarantine"), here: w.mail };
  if (found.isPending) return <><Head title={w.mail} above={above} /><PageSection><Spinner aria-label={common.loading} /></PageSection></>;
  if (!found.data) return <><Head title={w.mail} above={above} /><PageSection><Failure error={found.error ?? new Error()} again={() => void found.refetch()} /></PageSection></>;
  const { mail, headers, parts, text, urls } = found.data;
  const isThere = headers.length > 0 || parts.length > 0;
  const ask = (how: End) => {
    const { ask: title, text: what, button } = wording(w, how);
    setQuestion({ title: title.replace("{n}", w.one), text: what, button, danger: how.what === "delete", act: () => ending.mutate(how) });
  };
  const learns = may("POST /learn/{kind}");
  return (
    <>
      <Head title={mail.subject || w.mail} above={above}>
        <Button component="a" variant="link" href={to("tracking", id)}>{w.journey}</Button>
        {mail.state === "held" && <Button variant="secondary" isLoading={opening.isPending} isDisabled={opening.isPending} onClick={() => opening.mutate()}>{w.open}</Button>}
        {mail.state === "held" && <Button isDisabled={ending.isPending} onClick={() => ask({ what: "release" })}>{w.release}</Button>}
        {mail.state === "held" && learns && <Button variant="secondary" isDisabled={ending.isPending} onClick={() => ask({ what: "release", learn: true })}>{w.releaseLearn}</Button>}
        {mail.state === "held" && <Button variant="danger" isDisabled={ending.isPending} onClick={() => ask({ what: "delete" })}>{w.delete}</Button>}
        {mail.state === "held" && learns && <Button variant="secondary" isDanger isDisabled={ending.isPending} onClick={() => ask({ what: "delete", learn: true })}>{w.deleteLearn}</Button>}
      </Head>
      <PageSection>
        <Card>
          <CardBody>
            <Facts of={[[w.state, <><Mark word={mail.state} /> {mail.reason}, {w.score}: {number(mail.score, 2)}</>], [w.by, mail.state_by], [w.sender, mail.sender || w.nullPath], [w.fromHeader, mail.from_header], [w.recipient, mail.recipients.join(", ")],
              [w.size, octets(mail.size)], [w.time, when(mail.at)], [w.expires, mail.state === "held" ? when(mail.expires) : null], [w.node, node(mail.holder)]]} />
          </CardBody>
        </Card>
      </PageSection>
      {attachments.length + again.length > 0 && (
        <PageSection>
          <Grid hasGutter>
            {attachments.length > 0 && <GridItem xl2={again.length > 0 ? 6 : 12}><Attachments of={attachments} /></GridItem>}
            {again.map((one) => <GridItem key={one.at} xl2={6}><Attachments of={one.attachments} title={`${w.openedAgain} ${when(one.at)}${one.by && `, ${one.by}`}`} /></GridItem>)}
          </Grid>
        </PageSection>
      )}
      {!isThere ? <PageSection><Alert component="p" isInline variant="info" title={w.gone} /></PageSection> : (
        <>
          <PageSection><MailText text={text} urls={urls} w={w} /></PageSection>
          <PageSection>
            <Card>
              <CardTitle component="h2">{w.parts}</CardTitle>
              <CardBody>
                <Listing label={w.parts} rows={parts} id={(p) => p.number} asked={THERE} empty={w.noParts} columns={[
                  { name: w.number, show: (p) => p.number }, { name: w.file, kind: "text", show: (p) => p.filename }, { name: w.type, kind: "text", show: (p) => p.content_type }, { name: w.trueType, show: (p) => p.true_type }, { name: w.size, kind: "number", show: (p) => octets(p.size) }]} />
              </CardBody>
              <CardBody>
                <ExpandableSection toggleText={`${w.headers} (${number(headers.length)})`}>
                  <Facts of={headers.map((h) => [h.name, h.value])} />
                </ExpandableSection>
              </CardBody>
            </Card>
          </PageSection>
        </>
      )}
      <Ask question={question} close={() => setQuestion(null)} />
    </>
  );
}
