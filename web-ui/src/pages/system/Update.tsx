import { ActionGroup, Alert, Button, Card, CardBody, CardTitle, Checkbox, Content, Form, FormGroup, FormSelect, FormSelectOption, PageSection, Progress, TextInput } from "@patternfly/react-core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { api, asking, upload, type Schemas } from "../../api/client";
import { useCluster } from "../../api/nodes";
import type { System } from "../../api/shapes";
import { useWords } from "../../i18n";
import { Listing } from "../../parts/Listing";
import { Mark } from "../../parts/Marks";
import { useAct } from "../../parts/Said";
import { words } from "./words";

export function Update({ system }: { system: System }) {
  const w = useWords(words);
  const queries = useQueryClient();
  const cluster = useCluster();
  const [file, setFile] = useState<File | null>(null);
  const [address, setAddress] = useState("");
  const url = address.trim();
  const { data: fetched } = useQuery({ queryKey: ["fetching"], queryFn: () => api<Schemas["FetchView"]>("GET", "/system/update/fetch"), refetchInterval: 3000 });
  const [all, setAll] = useState(false);
  const [restart, setRestart] = useState(false);
  const [older, setOlder] = useState(false);
  const send = useAct(async () => {
    if (url) {
      const order = all ? { for: "all", allow_older: older } : { for: "this", allow_older: older, restart };
      await api("POST", "/system/update/fetch", { url, order });
      return;
    }
    if (!file) return;
    const path = all ? asking("/cluster/update", { allow_older: older }) : asking("/system/update", { allow_older: older, restart });
    await upload("POST", path, "application/octet-stream", file);
  }, async () => {
    await queries.invalidateQueries({ predicate: (q) => ["system", "rolling", "fetching"].includes(String(q.queryKey[0])) });
    if (url) return w.fetchSaid;
    return all ? w.sentAllSaid : w.sentSaid;
  });
  const { update, last_update: last } = system;
  return (
    <Card>
      <CardTitle component="h2">{w.update}</CardTitle>
      <CardBody aria-live="polite">
        {fetched?.stage === "fetching" && <Progress title={w.fetching.replace("{url}", () => fetched.url)} value={fetched.total ? (100 * fetched.octets) / fetched.total : 0} />}
        {fetched?.stage === "failed" && <Alert component="p" isInline variant="danger" title={w.fetchFailed.replace("{url}", () => fetched.url)}>{fetched.why}</Alert>}
        {update.state === "running" && <Progress title={w.stage.replace("{stage}", update.stage).replace("{version}", () => update.version)} value={update.total ? (100 * update.done) / update.total : 0} />}
        {update.state === "ready" && <Alert component="p" isInline variant="info" title={w.ready.replace("{version}", () => update.version)} />}
        {update.state === "failed" && <Alert component="p" isInline variant="danger" title={w.failed}>{update.why}</Alert>}
        {last && <Alert component="p" isInline isPlain variant={last.outcome === "good" ? "success" : last.outcome === "trial" ? "info" : "warning"} title={`${w.last}: ${w.lastText.replace("{from}", () => last.from).replace("{to}", () => last.to).replace("{slot}", () => last.slot).replace("{outcome}", () => last.outcome)}`}>{last.why}</Alert>}
      </CardBody>
      <CardBody>
        <Content component="p" className="postern-soft">{w.updateText}</Content>
        <Form onSubmit={(event) => { event.preventDefault(); send.mutate(undefined); }}>
          <FormGroup label={w.file} fieldId="update-file"><input id="update-file" type="file" accept=".update" onChange={(event) => setFile(event.target.files?.[0] ?? null)} /></FormGroup>
          <FormGroup label={w.address} fieldId="update-address"><TextInput id="update-address" type="url" placeholder="https://" value={address} onChange={(_, v) => setAddress(v)} /></FormGroup>
          {cluster.data?.member && (
            <FormGroup label={w.where} fieldId="update-where">
              <FormSelect id="update-where" className="postern-short" value={all ? "all" : "this"} onChange={(_, v) => setAll(v === "all")}><FormSelectOption value="this" label={w.thisNode} /><FormSelectOption value="all" label={w.allNodes} /></FormSelect>
            </FormGroup>
          )}
          {!all && <Checkbox id="update-restart" label={w.restart} isChecked={restart} onChange={(_, on) => setRestart(on)} />}
          <Checkbox id="update-older" label={w.older} isChecked={older} onChange={(_, on) => setOlder(on)} />
          <ActionGroup><Button type="submit" variant="secondary" isDisabled={!(file || url) || send.isPending || update.state === "running" || fetched?.stage === "fetching"} isLoading={send.isPending}>{url ? w.fetch : send.isPending ? w.uploading : w.upload}</Button></ActionGroup>
        </Form>
      </CardBody>
    </Card>
  );
}

/** The update of all nodes that this node leads; nothing when there was none since it started. */
export function Rolling() {
  const w = useWords(words);
  const rolling = useQuery({ queryKey: ["rolling"], queryFn: () => api<Schemas["RollingView"]>("GET", "/cluster/update"), refetchInterval: 3000 });
  if (!rolling.data || rolling.data.state === "none") return null;
  return (
    <PageSection>
      <Card>
        <CardTitle component="h2">{w.rolling}</CardTitle>
        <CardBody>
          <p>{w.rollingText.replace("{version}", () => rolling.data.version)}</p>
          {rolling.data.why && <Alert component="p" isInline variant="danger" title={rolling.data.why} />}
          <Listing label={w.rolling} rows={rolling.data.nodes} id={(n) => n.name} asked={rolling} empty={w.noRolling} columns={[{ name: w.node, kind: "text", show: (n) => n.name }, { name: w.step, show: (n) => <Mark word={n.step} /> }]} />
        </CardBody>
      </Card>
    </PageSection>
  );
}
