import { Alert, Button, Card, CardBody, CardTitle, PageSection, Spinner } from "@patternfly/react-core";
import { useQuery } from "@tanstack/react-query";

import { api, part, Refused } from "../../api/client";
import type { Why } from "../../api/shapes";
import { useTongue, useWords } from "../../i18n";
import { Facts } from "../../parts/Facts";
import { Failure } from "../../parts/Failure";
import { Head } from "../../parts/Head";
import { Listing, THERE } from "../../parts/Listing";
import { Mark } from "../../parts/Marks";
import { May } from "../../parts/May";
import { to } from "../../route";
import { Orders } from "./Orders";
import { words } from "./words";

/** Why a mail is still here, and what would be tried next. */
export function Waiting({ id }: { id: string }) {
  const w = useWords(words);
  const { words: common, number, octets, when, moment } = useTongue();
  const found = useQuery({ queryKey: ["queue", id], queryFn: () => api<Why>("GET", `/queue/${part(id)}`), refetchInterval: 5000 });
  const above = { name: w.title, to: to("queue"), here: w.mail };
  const journey = <Button component="a" variant="secondary" href={to("tracking", id)}>{w.journey}</Button>;
  const isGone = found.error instanceof Refused && found.error.status === 404;
  if (found.isPending) return <><Head title={w.mail} above={above}>{journey}</Head><PageSection><Spinner aria-label={common.loading} /></PageSection></>;
  if (isGone || !found.data) {
    return (
      <>
        <Head title={w.mail} above={above}>{journey}</Head>
        <PageSection>{isGone ? <Alert component="p" isInline variant="info" title={w.gone} /> : <Failure error={found.error ?? new Error()} again={() => void found.refetch()} />}</PageSection>
      </>
    );
  }
  const { mail, destinations } = found.data;
  return (
    <>
      <Head title={mail.subject || w.mail} above={above}>{journey}</Head>
      <May ask="POST /queue/retry"><PageSection><Orders filter={{ ids: [id] }} count={1} done={() => undefined} /></PageSection></May>
      <PageSection>
        <Card><CardBody>
          <Facts of={[[w.status, <Mark key="status" word={mail.status} />], [w.sandbox, mail.held_until && `${w.untilLatest} ${when(mail.held_until)}`], [w.sender, mail.sender || w.nullPath], [w.messageId, mail.message_id], [w.size, octets(mail.size)], [w.accepted, when(mail.accepted)], [w.reroutedTo, mail.reroute], [w.mail, <code key="id">{id}</code>]]} />
        </CardBody></Card>
      </PageSection>
      <PageSection>
        <Card>
          <CardTitle component="h2">{w.recipients}</CardTitle>
          <CardBody>
            <Listing label={w.recipients} rows={mail.recipients} id={(r) => r.address} asked={THERE} empty="–" columns={[
              { name: w.recipient, kind: "text", show: (r) => r.address }, { name: w.status, show: (r) => <Mark word={r.status} /> }, { name: w.attempts, kind: "number", show: (r) => number(r.attempts) },
              { name: w.lastReply, kind: "text", show: (r) => r.last && <>{r.last.reply}<div className="postern-soft">{r.last.host}, {when(r.last.at)}</div></> }, { name: w.next, kind: "time", show: (r) => (r.next_attempt ? when(r.next_attempt) : "–") }]} />
          </CardBody>
        </Card>
      </PageSection>
      <PageSection>
        <Card>
          <CardTitle component="h2">{w.destinations}</CardTitle>
          <CardBody>
            <Listing label={w.destinations} rows={destinations} id={(d) => d.destination} asked={THERE} empty={w.noDestinations} columns={[
              { name: w.destination, kind: "text", show: (d) => d.destination }, { name: w.health, show: (d) => <><Mark word={d.health} />{d.next_probe && <div className="postern-soft">{w.nextProbe} {moment(d.next_probe)}</div>}</> },
              { name: w.hosts, kind: "text", show: (d) => (d.routing_error ?? (d.hosts.length ? d.hosts.map((h) => <div key={h.host}>{h.host} ({h.protocol}, TLS {h.tls}){h.is_avoided && ` ${w.avoided}`}</div>) : w.noHosts)) },
              { name: w.trouble, kind: "text", show: (d) => d.trouble && <>{d.trouble.reply}<div className="postern-soft">{d.trouble.host}, {when(d.trouble.at)}</div></> },
              { name: w.inLine, kind: "number", show: (d) => number(d.in_line) }, { name: w.connections, kind: "number", show: (d) => number(d.connections) }]} />
          </CardBody>
        </Card>
      </PageSection>
    </>
  );
}
