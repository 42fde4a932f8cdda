import { Button, Card, CardBody, CardTitle, Content } from "@patternfly/react-core";
import { useQuery, useQueryClient } from "@tanstack/react-query";

import { api, part, type Schemas } from "../../api/client";
import { useTongue, useWords } from "../../i18n";
import { Listing, type Column } from "../../parts/Listing";
import { useAct } from "../../parts/Said";
import { words } from "./words";

type Row = Schemas["SessionRow"];

/** Who is logged in at this node: oneself; for an admin, everybody. */
export function Sessions() {
  const w = useWords(words);
  const { moment, when } = useTongue();
  const queries = useQueryClient();
  const sessions = useQuery({ queryKey: ["sessions"], queryFn: () => api<Schemas["OpenSessions"]>("GET", "/sessions") });
  const end = useAct((row: Row) => api("DELETE", `/sessions/${part(row.id)}`), async () => {
    await queries.invalidateQueries({ queryKey: ["sessions"] });
    return w.sessionSaid;
  });
  const columns: Column<Row>[] = [
    { name: w.name, kind: "text", show: (s) => <>{s.name}{s.this && <span className="postern-soft"> ({w.thisSession})</span>}</> },
    { name: w.from, kind: "text", show: (s) => s.address },
    { name: w.since, kind: "time", show: (s) => <span title={when(s.created)}>{moment(s.created)}</span> },
    { name: w.used, kind: "time", show: (s) => <span title={when(s.used)}>{moment(s.used)}</span> },
    { name: w.acts, kind: "acts", show: (s) => !s.this && <Button variant="link" size="sm" isDanger isDisabled={end.isPending} aria-label={`${w.sessionEnd}: ${s.name}, ${s.address}`} onClick={() => end.mutate(s)}>{w.sessionEnd}</Button> },
  ];
  return (
    <Card>
      <CardTitle component="h2">{w.sessions}</CardTitle>
      <CardBody>
        <Content component="p" className="postern-soft">{w.sessionsText}</Content>
        <Listing label={w.sessions} columns={columns} rows={sessions.data?.sessions ?? []} id={(s) => s.id} asked={sessions} empty={w.noSessions} />
      </CardBody>
    </Card>
  );
}
