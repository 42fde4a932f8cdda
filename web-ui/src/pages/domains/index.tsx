import { Button, Card, CardBody, PageSection } from "@patternfly/react-core";
import { useQuery } from "@tanstack/react-query";

import { api } from "../../api/client";
import type { Domains, Route } from "../../api/shapes";
import { useTongue, useWords } from "../../i18n";
import { Head } from "../../parts/Head";
import { Listing } from "../../parts/Listing";
import { Mark } from "../../parts/Marks";
import { May } from "../../parts/May";
import { to } from "../../route";
import { Try } from "./Try";
import { words } from "./words";

/** A line of the list; `name` is null for the smarthosts. */
interface Row { name: string | null; check: string | null; recipients: number; route: Route }

export default function DomainsPage() {
  const w = useWords(words);
  const { number, moment } = useTongue();
  const asked = useQuery({ queryKey: ["domains"], queryFn: () => api<Domains>("GET", "/domains"), refetchInterval: 5000 });
  const { domains = [], smarthosts = null } = asked.data ?? {};
  const rows: Row[] = domains.map((d) => ({ name: d.name, check: d.recipient_check, recipients: d.recipients, route: d.route }));
  if (smarthosts) rows.push({ name: null, check: null, recipients: 0, route: smarthosts });
  const called = ({ name }: Row) => (name === null ? w.smarthosts : name === "*" ? w.every : name.startsWith("*.") ? w.below.replace("{name}", name.slice(2)) : name);
  const checks: Record<string, string> = w.checks;
  return (
    <>
      <Head title={w.title} text={w.text}>
        <May ask="PATCH /settings"><Button component="a" variant="secondary" href={to("settings", "domains")}>{w.change}</Button></May>
      </Head>
      <PageSection>
        <Card><CardBody>
          <Listing label={w.results} rows={rows} id={(r) => r.name ?? "smarthosts"} asked={asked} empty={w.empty} columns={[
            { name: w.domain, kind: "text", show: called },
            { name: w.recipients, show: (r) => (r.check === null ? "–" : (checks[r.check] ?? r.check).replace("{n}", number(r.recipients))) },
            { name: w.hops, kind: "text", show: ({ route }) => route.trouble ?? (route.hops.length ? route.hops.map((h) => <div key={h.host}>{h.host} ({h.protocol}, TLS {h.tls}){h.is_avoided && <span className="postern-fault"> {w.avoided}</span>}</div>) : w.noHops) },
            { name: w.waiting, kind: "number", show: ({ route }) => number(route.waiting) },
            { name: w.state, kind: "text", show: ({ route }) => (
              <>
                {route.health ? <Mark word={route.health} /> : w.idle}
                {route.last_failure && <div className="postern-soft">{route.last_failure.host}: {route.last_failure.reply}</div>}
                {route.next_probe && <div className="postern-soft">{w.nextProbe.replace("{when}", moment(route.next_probe))}</div>}
              </>
            ) }]} />
        </CardBody></Card>
      </PageSection>
      <May ask="POST /domains/try">{rows.length > 0 && <PageSection><Try of={rows.map((r) => ({ name: r.name, called: called(r) }))} /></PageSection>}</May>
    </>
  );
}
