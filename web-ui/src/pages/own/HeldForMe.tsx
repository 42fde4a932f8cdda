import { Button, Card, CardBody, CardTitle, Content, PageSection, Spinner } from "@patternfly/react-core";
import { useInfiniteQuery, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { api, asking, part, type Schemas } from "../../api/client";
import { useTongue, useWords } from "../../i18n";
import { Ask, type Question } from "../../parts/Ask";
import { Facts } from "../../parts/Facts";
import { Failure } from "../../parts/Failure";
import { Head } from "../../parts/Head";
import { Listing, THERE, type Column } from "../../parts/Listing";
import { MailText } from "../../parts/MailText";
import { useAct } from "../../parts/Said";
import { Senders, useChoose } from "./Senders";
import { words } from "./words";

type Mail = Schemas["UserMail"];
/** One's own mails in quarantine, and one of them. */
export function HeldForMe({ title, text, lists }: { title: string; text: string; lists: boolean }) {
  const w = useWords(words);
  const { moment, when } = useTongue();
  const queries = useQueryClient();
  const [open, setOpen] = useState<string | null>(null);
  const [question, setQuestion] = useState<Question | null>(null);
  const found = useInfiniteQuery({
    queryKey: ["held-for-me"],
    initialPageParam: "",
    queryFn: ({ pageParam }) => api<Schemas["UserMails"]>("GET", asking("/user/quarantine", { before: pageParam })),
    getNextPageParam: (page) => page.next ?? undefined,
  });
  const ending = useAct(({ mail, release }: { mail: string; release: boolean }) => (release ? api("POST", `/user/quarantine/${part(mail)}/release`) : api("DELETE", `/user/quarantine/${part(mail)}`)), async (_, { release }) => {
    setOpen(null);
    await queries.invalidateQueries({ queryKey: ["held-for-me"] });
    return release ? w.releasedSaid : w.deletedSaid;
  });
  const ask = (mail: Mail, release: boolean) => setQuestion({
    title: release ? w.releaseAsk : w.deleteAsk, text: <>{mail.subject || w.noSubject}<br />{release ? w.releaseText : w.deleteText}</>,
    button: release ? w.release : w.delete, danger: !release, act: () => ending.mutate({ mail: mail.mail, release }) });
  const acts = (mail: Mail) => (
    <>
      {mail.may_release && <Button variant="secondary" size="sm" isDisabled={ending.isPending} aria-label={`${w.release}: ${mail.subject ?? ""}`} onClick={() => ask(mail, true)}>{w.release}</Button>}{" "}
      {mail.may_delete && <Button variant="link" size="sm" isDanger isDisabled={ending.isPending} aria-label={`${w.delete}: ${mail.subject ?? ""}`} onClick={() => ask(mail, false)}>{w.delete}</Button>}
    </>
  );
  const columns: Column<Mail>[] = [
    { name: w.time, kind: "time", show: (m) => <span title={when(m.at)}>{moment(m.at)}</span> },
    { name: w.sender, kind: "text", show: (m) => m.from_header || m.sender || w.nullPath },
    { name: w.subject, kind: "text", show: (m) => <Button variant="link" isInline onClick={() => setOpen(m.mail)}>{m.subject || w.noSubject}</Button> },
    { name: w.expires, kind: "time", show: (m) => moment(m.expires) },
    { name: w.acts, kind: "acts", show: acts },
  ];
  return (
    <>
      <Head title={title} text={text} />
      {open ? <Seen id={open} back={() => setOpen(null)} acts={(mail) => <>{acts(mail)}{lists && mail.author && <Choices author={mail.author} />}</>} /> : (
        <PageSection>
          <Card><CardBody><Listing label={w.list} columns={columns} rows={found.data?.pages.flatMap((p) => p.mails) ?? []} id={(m) => m.mail} asked={found} empty={w.empty} /></CardBody></Card>
        </PageSection>
      )}
      {lists && !open && <PageSection><Senders /></PageSection>}
      <Ask question={question} close={() => setQuestion(null)} />
    </>
  );
}

/** About the sender of the mail that is looked at. */
function Choices({ author }: { author: string }) {
  const w = useWords(words);
  const choose = useChoose();
  const button = (choice: "allow" | "block", label: string) => <Button variant="link" size="sm" className="postern-break" isDisabled={choose.isPending} onClick={() => choose.mutate({ sender: author, choice })}>{label.replace("{sender}", () => author)}</Button>;
  return <>{button("allow", w.allowSender)}{button("block", w.blockSender)}</>;
}

function Seen({ id, back, acts }: { id: string; back: () => void; acts: (mail: Mail) => React.ReactNode }) {
  const w = useWords(words);
  const { words: common, octets, when } = useTongue();
  const found = useQuery({ queryKey: ["seen", id], queryFn: () => api<Schemas["UserMailView"]>("GET", `/user/quarantine/${part(id)}`), staleTime: Infinity, gcTime: 0 });
  const button = <Button variant="link" onClick={back}>{w.back}</Button>;
  if (found.isPending) return <PageSection>{button}<Spinner aria-label={common.loading} /></PageSection>;
  if (!found.data) return <PageSection>{button}<Failure error={found.error ?? new Error()} again={() => void found.refetch()} /></PageSection>;
  const { mail, text, parts, urls } = found.data;
  return (
    <>
      <PageSection>
        {button}{acts(mail)}
        {!mail.may_release && <Content component="p" className="postern-soft">{w.notYours}</Content>}
        <Card>
          <CardTitle component="h2" className="postern-break">{mail.subject || w.noSubject}</CardTitle>
          <CardBody><Facts of={[[w.sender, mail.sender || w.nullPath], ["From", mail.from_header], [w.time, when(mail.at)], [w.reason, mail.reason], [w.size, octets(mail.size)], [w.expires, when(mail.expires)]]} /></CardBody>
        </Card>
      </PageSection>
      <PageSection><MailText text={text} urls={urls} w={w} /></PageSection>
      <PageSection>
        <Card>
          <CardTitle component="h2">{w.parts}</CardTitle>
          <CardBody>
            <Listing label={w.parts} rows={parts} id={(p) => p.number} asked={THERE} empty={w.noParts} columns={[
              { name: w.file, kind: "text", show: (p) => p.filename }, { name: w.type, kind: "text", show: (p) => p.content_type }, { name: w.trueType, show: (p) => p.true_type }, { name: w.size, kind: "number", show: (p) => octets(p.size) }]} />
          </CardBody>
        </Card>
      </PageSection>
    </>
  );
}
