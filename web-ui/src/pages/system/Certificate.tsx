import { ActionGroup, Alert, Button, Card, CardBody, CardTitle, ClipboardCopy, Content, Form, FormGroup, Spinner, TextArea, TextInput } from "@patternfly/react-core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { api, type Schemas } from "../../api/client";
import { useTongue, useWords } from "../../i18n";
import { to } from "../../route";
import { Ask, type Question } from "../../parts/Ask";
import { Facts } from "../../parts/Facts";
import { Failure } from "../../parts/Failure";
import { May } from "../../parts/May";
import { useAct } from "../../parts/Said";
import { words } from "./words";

type View = Schemas["CertificateView"];
const DAY = 24 * 3600 * 1000;
/** Authorities renew a month before the end. */
const SOON = 21 * DAY;

/** What this node shows on SMTP and here, and how to change it. */
export function Certificate() {
  const w = useWords(words);
  const { words: common } = useTongue();
  const shown = useQuery({ queryKey: ["certificate"], queryFn: () => api<View>("GET", "/node/certificate"), refetchOnWindowFocus: false, refetchInterval: (query) => (query.state.data?.automatic?.running ? 2_000 : false) });
  return (
    <Card>
      <CardTitle component="h2">{w.certificate}</CardTitle>
      <CardBody>
        <Content component="p" className="postern-soft">{w.certificateText}</Content>
        {shown.isPending ? <Spinner aria-label={common.loading} /> : !shown.data ? <Failure error={shown.error ?? new Error()} again={() => void shown.refetch()} /> : <Shown view={shown.data} />}
      </CardBody>
      {shown.data && shown.data.source !== "settings" && <CardBody><Automatic view={shown.data} /></CardBody>}
      {shown.data && shown.data.source !== "settings" && !shown.data.automatic && <May ask="PUT /node/certificate"><CardBody><Requesting /><Installing installed={shown.data.source === "installed"} /></CardBody></May>}
    </Card>
  );
}

function Shown({ view }: { view: View }) {
  const w = useWords(words);
  const { when } = useTongue();
  const [now] = useState(() => Date.now());
  const left = Math.floor((view.until - now) / DAY);
  const sources = { settings: w.certSettings, installed: w.certInstalled, "self-signed": w.certSelf };
  return (
    <>
      {view.until - now < SOON && <Alert component="p" isInline variant={left < 0 ? "danger" : "warning"} title={left < 0 ? w.certOver : w.certSoon.replace("{days}", String(left))} />}
      <div className="postern-above">
        <Facts of={[[w.certNames, view.names.join(", ")], [w.certSource, sources[view.source]], [w.certIssuer, view.source === "self-signed" ? null : view.issuer], [w.certUntil, when(view.until)], [w.certPrint, <code key="print" className="postern-break">{view.fingerprint}</code>]]} />
      </div>
    </>
  );
}

/** Ordered from an authority and renewed, without anybody. */
function Automatic({ view: { automatic } }: { view: View }) {
  const w = useWords(words);
  const { when } = useTongue();
  const queries = useQueryClient();
  const renew = useAct(() => api("POST", "/node/certificate/renew"), async () => {
    await queries.invalidateQueries({ queryKey: ["certificate"] });
    return w.certRenewSaid;
  });
  if (!automatic) return <Content component="p" className="postern-soft">{w.certAutoOff} <a href={to("settings", "acme")}>{w.certAutoSet}</a></Content>;
  return (
    <>
      {automatic.trouble && <Alert component="p" isInline variant="danger" title={w.certAutoFailed}>{automatic.trouble}</Alert>}
      <div className="postern-above">
        <Facts of={[[w.certAuto, <span key="from" className="postern-break">{automatic.directory}</span>], [w.certAutoNext, automatic.running ? w.certAutoRunning : automatic.next ? when(automatic.next) : null], [w.certAutoTried, automatic.failed ? when(automatic.failed) : null]]} />
      </div>
      <May ask="POST /node/certificate/renew"><ActionGroup className="postern-above"><Button variant="secondary" isDisabled={renew.isPending || Boolean(automatic.running)} isLoading={renew.isPending || Boolean(automatic.running)} onClick={() => renew.mutate(undefined)}>{w.certRenew}</Button></ActionGroup></May>
    </>
  );
}

function Requesting() {
  const w = useWords(words);
  const [names, setNames] = useState("");
  const [made, setMade] = useState<string | null>(null);
  const ask = useAct(() => api<Schemas["CertificateRequestView"]>("POST", "/node/certificate/request", { names: names.split(/\s+/).filter(Boolean) }), (given) => setMade(given.request), "shown");
  return (
    <Form onSubmit={(event) => { event.preventDefault(); ask.mutate(undefined); }}>
      {ask.isError && <Failure error={ask.error} />}
      <FormGroup label={w.certAsk} fieldId="certificate-names"><TextInput id="certificate-names" autoComplete="off" placeholder={w.certAskHint} value={names} onChange={(_, v) => setNames(v)} /></FormGroup>
      <ActionGroup><Button type="submit" variant="secondary" isDisabled={ask.isPending} isLoading={ask.isPending}>{w.certAskDo}</Button></ActionGroup>
      {made && <Alert component="p" isInline variant="info" title={w.certAsked}><ClipboardCopy isReadOnly isCode isExpanded variant="expansion" hoverTip={w.copy} clickTip={w.copied}>{made}</ClipboardCopy></Alert>}
    </Form>
  );
}

function Installing({ installed }: { installed: boolean }) {
  const w = useWords(words);
  const queries = useQueryClient();
  const [chain, setChain] = useState("");
  const [key, setKey] = useState("");
  const [question, setQuestion] = useState<Question | null>(null);
  const again = () => queries.invalidateQueries({ queryKey: ["certificate"] });
  const put = useAct(() => api<View>("PUT", "/node/certificate", key.trim() ? { chain, key } : { chain }), async () => {
    setChain("");
    setKey("");
    await again();
    return w.certPutSaid;
  }, "shown");
  const forget = useAct(() => api("DELETE", "/node/certificate"), async () => {
    await again();
    return w.certForgetSaid;
  });
  return (
    <Form className="postern-above" onSubmit={(event) => { event.preventDefault(); put.mutate(undefined); }}>
      {put.isError && <Failure error={put.error} />}
      <FormGroup label={w.certChain} fieldId="certificate-chain"><TextArea id="certificate-chain" className="postern-file" rows={6} resizeOrientation="vertical" spellCheck={false} placeholder="-----BEGIN CERTIFICATE-----" value={chain} onChange={(_, v) => setChain(v)} /></FormGroup>
      <FormGroup label={w.certKey} fieldId="certificate-key"><TextArea id="certificate-key" className="postern-file" rows={3} resizeOrientation="vertical" spellCheck={false} autoComplete="off" value={key} onChange={(_, v) => setKey(v)} /></FormGroup>
      <ActionGroup>
        <Button type="submit" variant="secondary" isDisabled={!chain.trim() || put.isPending} isLoading={put.isPending}>{w.certPut}</Button>
        {installed && <Button variant="link" isDanger isDisabled={forget.isPending} onClick={() => setQuestion({ title: w.certForgetAsk, text: w.certForgetText, button: w.certForget, danger: true, act: () => forget.mutate(undefined) })}>{w.certForget}</Button>}
      </ActionGroup>
      <Ask question={question} close={() => setQuestion(null)} />
    </Form>
  );
}
