import { Alert, Button, Card, CardBody, CardTitle, Content, Label, List, ListItem, PageSection, Spinner } from "@patternfly/react-core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { api, type Schemas } from "../../api/client";
import { useMay } from "../../api/may";
import { useTongue, useWords } from "../../i18n";
import { Facts } from "../../parts/Facts";
import { Failure } from "../../parts/Failure";
import { Head } from "../../parts/Head";
import { Listing, type Column } from "../../parts/Listing";
import { useAct } from "../../parts/Said";
import { SettingsForm } from "../settings/Form";
import type { Schema } from "../settings/schema";
import { Verify } from "./Verify";
import { words } from "./words";

type Status = Schemas["BackupStatus"];
type Stored = Schemas["StoredBackup"];

export default function BackupsPage() {
  const w = useWords(words);
  const { words: common } = useTongue();
  const may = useMay();
  const queries = useQueryClient();
  const status = useQuery({ queryKey: ["backup-status"], queryFn: () => api<Status>("GET", "/backups/status"), refetchInterval: 3000 });
  const begin = useAct(() => api("POST", "/backups"), async () => {
    await queries.invalidateQueries({ queryKey: ["backup-status"] });
    return w.begun;
  });
  if (status.isPending) return <><Head title={w.title} text={w.text} /><PageSection><Spinner aria-label={common.loading} /></PageSection></>;
  if (!status.data) return <><Head title={w.title} text={w.text} /><PageSection><Failure error={status.error ?? new Error()} again={() => void status.refetch()} /></PageSection></>;
  const isAimed = status.data.target !== "none";
  const isBusy = status.data.running != null;
  return (
    <>
      <Head title={w.title} text={w.text}>
        {may("POST /backups") && <Button isDisabled={!isAimed || isBusy || begin.isPending} isLoading={isBusy} onClick={() => begin.mutate(undefined)}>{isBusy ? w.running : w.now}</Button>}
      </Head>
      <PageSection aria-live="polite"><State status={status.data} /></PageSection>
      {isAimed && <PageSection><AtTarget status={status.data} /></PageSection>}
      <PageSection><Keys lock={status.data.lock} /></PageSection>
      <PageSection><Restore /></PageSection>
      <Settings />
    </>
  );
}

function State({ status }: { status: Status }) {
  const w = useWords(words);
  const { when, octets, number } = useTongue();
  const made = status.made;
  const schedule = status.schedule === "off" ? w.off : /:/.test(status.schedule) ? w.daily.replace("{time}", status.schedule) : w.every.replace("{span}", status.schedule);
  return (
    <Card>
      <CardTitle component="h2">{w.state}</CardTitle>
      <CardBody>
        {status.target === "none" && <Alert component="p" isInline variant="info" title={w.nowhere} />}
        {status.trouble && <Alert component="p" isInline variant="danger" title={w.failed.replace("{when}", when(status.trouble.at))}>{status.trouble.why}</Alert>}
        {made?.not_removed && <Alert component="p" isInline variant="warning" title={w.notRemoved}>{made.not_removed}</Alert>}
        <Facts of={[
          [w.schedule, schedule],
          [w.target, status.target === "none" ? null : <span key="t">{w.targets[status.target] ?? status.target} <code className="postern-break">{status.place}</code></span>],
          [w.keep, status.target === "none" ? null : number(status.keep)],
          [w.bodies, status.quarantine === "included" ? w.included : w.leftOut],
          [w.since, status.running != null && when(status.running)],
          [w.next, status.next != null && when(status.next)],
          [w.newest, status.last != null ? when(status.last) : status.target !== "none" && w.never],
          [w.made, made && w.madeValue.replace("{name}", () => made.name).replace("{size}", octets(made.size)).replace("{files}", number(made.members))],
        ]} />
      </CardBody>
    </Card>
  );
}

function AtTarget({ status }: { status: Status }) {
  const w = useWords(words);
  const { when, octets } = useTongue();
  const may = useMay();
  const [chosen, setChosen] = useState<string | null>(null);
  // Asked anew when one was made: the target may be far.
  const list = useQuery({ queryKey: ["backups", status.made?.name, status.last], queryFn: () => api<Schemas["StoredBackups"]>("GET", "/backups") });
  const columns: Column<Stored>[] = [
    { name: w.at, kind: "time", show: (s) => <>{when(s.at)}{s.name === status.made?.name && <> <Label>{w.last}</Label></>}</> },
    { name: w.node, kind: "text", show: (s) => s.node },
    { name: w.size, kind: "number", show: (s) => octets(s.size) },
    { name: w.name, kind: "text", show: (s) => <code>{s.name}</code> },
    { name: w.acts, kind: "acts", show: (s) => may("POST /backups/verify") && <Button variant="secondary" size="sm" aria-label={`${w.verify}: ${s.name}`} onClick={() => setChosen(s.name)}>{w.verify}</Button> },
  ];
  const rows = [...(list.data?.backups ?? [])].sort((a, b) => b.at - a.at);
  return (
    <Card>
      <CardTitle component="h2">{w.atTarget}</CardTitle>
      <CardBody>
        <Verify chosen={chosen} close={() => setChosen(null)} lock={status.lock} />
        <Listing label={w.atTarget} columns={columns} rows={rows} id={(s) => s.name} asked={list} empty={w.empty} />
      </CardBody>
    </Card>
  );
}

function Keys({ lock }: { lock: string }) {
  const w = useWords(words);
  return (
    <Card>
      <CardTitle component="h2">{w.keys}</CardTitle>
      <CardBody>
        <Content component="p"><strong>{w.locks[lock] ?? lock}</strong></Content>
        <Content component="p">{w.keysText}</Content>
        <div className="postern-scroll" tabIndex={0} role="region" aria-label={w.keys}>
          <table className="postern-wide">
            <thead><tr><td /><th scope="col">{w.publicKey}</th><th scope="col">{w.passphrase}</th></tr></thead>
            <tbody>{w.who.map(([who, key, pass]) => <tr key={who}><th scope="row">{who}</th><td>{key}</td><td>{pass}</td></tr>)}</tbody>
          </table>
        </div>
      </CardBody>
    </Card>
  );
}

function Restore() {
  const w = useWords(words);
  return (
    <Card>
      <CardTitle component="h2">{w.restore}</CardTitle>
      <CardBody>
        <Content component="p">{w.restoreText}</Content>
        <List component="ol">{w.steps.map((step) => <ListItem key={step}><Steps text={step} /></ListItem>)}</List>
        <Content component="p" className="postern-above postern-soft">{w.restoreMore}</Content>
      </CardBody>
    </Card>
  );
}

/** What stands between backticks is to be typed. */
function Steps({ text }: { text: string }) {
  return <>{text.split("`").map((piece, at) => (at % 2 ? <code key={at} className="postern-break">{piece}</code> : piece))}</>;
}

/** The section `[backup]`, as on the page Settings. */
function Settings() {
  const w = useWords(words);
  const may = useMay();
  const schema = useQuery({ queryKey: ["settings-schema"], queryFn: () => api<Schema>("GET", "/settings/schema"), staleTime: Infinity });
  const view = useQuery({ queryKey: ["settings"], queryFn: () => api<Schemas["SettingsView"]>("GET", "/settings"), refetchOnMount: "always", refetchOnWindowFocus: false, enabled: may("GET /settings") });
  if (!schema.data || !view.data || !view.isFetchedAfterMount) return null;
  return <PageSection aria-label={w.settings}><SettingsForm alone section="backup" schema={schema.data} view={view.data} /></PageSection>;
}
