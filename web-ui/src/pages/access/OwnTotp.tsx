import { ActionGroup, Alert, Button, Card, CardBody, CardTitle, ClipboardCopy, Content, Flex, FlexItem, Form, FormGroup, Label, Spinner, TextInput } from "@patternfly/react-core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { api, type Schemas } from "../../api/client";
import { useTongue, useWords } from "../../i18n";
import { Failure } from "../../parts/Failure";
import { useAct } from "../../parts/Said";
import { words } from "./words";

/** The authenticator of one's own login: set up, replaced, removed. */
export function OwnTotp() {
  const w = useWords(words);
  const { words: common, number } = useTongue();
  const queries = useQueryClient();
  const [codes, setCodes] = useState<string[] | null>(null);
  const totp = useQuery({ queryKey: ["totp"], queryFn: () => api<Schemas["TotpView"]>("GET", "/session/totp") });
  const [offer, setOffer] = useState<Schemas["Offer"] | null>(null);
  const begin = useAct(() => api<Schemas["Offer"]>("POST", "/session/totp/offer"), (made) => { setOffer(made); setCodes(null); });
  const again = () => queries.invalidateQueries({ predicate: (q) => ["totp", "admins", "sessions"].includes(String(q.queryKey[0])) });
  const active = totp.data?.active ?? false;
  return (
    <Card>
      <CardTitle component="h2">{w.totp} <Label status={active ? "success" : "warning"}>{active ? w.totpOn : w.totpOff}</Label></CardTitle>
      <CardBody>
        <Content component="p" className="postern-soft">{w.totpText}</Content>
        {totp.isPending && <Spinner aria-label={common.loading} />}
        {totp.isError && <Failure error={totp.error} again={() => void totp.refetch()} />}
        {active && !codes && <p>{w.codesLeft.replace("{n}", number(totp.data?.recovery_codes ?? 0))}</p>}
        {codes && (
          <Alert component="p" isInline variant="info" title={w.codesText} className="postern-gap">
            <ClipboardCopy isReadOnly isCode isExpanded variant="expansion" hoverTip={w.copy} clickTip={w.copied} textAriaLabel={w.codes} toggleAriaLabel={w.codes}>{codes.join("\n")}</ClipboardCopy>
          </Alert>
        )}
        {offer
          ? <SetUp offer={offer} cancel={() => setOffer(null)} done={async (made) => { setOffer(null); setCodes(made); await again(); }} />
          : <Button className="postern-above" variant="secondary" isDisabled={begin.isPending} onClick={() => begin.mutate(undefined)}>{active ? w.totpAgain : w.totpSetUp}</Button>}
      </CardBody>
      {active && !offer && <CardBody><Remove done={again} /></CardBody>}
    </Card>
  );
}

function SetUp({ offer, done, cancel }: { offer: Schemas["Offer"]; done: (codes: string[]) => Promise<void>; cancel: () => void }) {
  const w = useWords(words);
  const { words: common } = useTongue();
  const [values, setValues] = useState({ code: "", password: "" });
  const put = useAct(() => api<Schemas["RecoveryCodes"]>("PUT", "/session/totp", { secret: offer.secret, ...values }), async (made) => {
    await done(made.recovery_codes);
    return w.totpSaid;
  }, "shown");
  return (
    <Form aria-label={w.totpSetUp} className="postern-above" onSubmit={(event) => { event.preventDefault(); put.mutate(undefined); }}>
      {put.isError && <Failure error={put.error} />}
      <Flex alignItems={{ default: "alignItemsCenter" }}>
        <FlexItem>
          <svg className="postern-qr" role="img" aria-label={w.qr} viewBox={`0 0 ${offer.qr_size} ${offer.qr_size}`} shapeRendering="crispEdges"><path d={offer.qr_path} /></svg>
        </FlexItem>
        <FlexItem flex={{ default: "flex_1" }}>
          <FormGroup label={w.secret} fieldId="totp-secret"><ClipboardCopy isReadOnly isCode hoverTip={w.copy} clickTip={w.copied} textAriaLabel={w.secret}>{offer.secret}</ClipboardCopy></FormGroup>
          <p><a href={offer.url}>{w.otpauth}</a></p>
        </FlexItem>
      </Flex>
      <FormGroup label={w.codeNow} fieldId="totp-code" isRequired><TextInput id="totp-code" className="postern-short" isRequired autoComplete="one-time-code" inputMode="numeric" value={values.code} onChange={(_, v) => setValues((old) => ({ ...old, code: v }))} /></FormGroup>
      <FormGroup label={w.old} fieldId="totp-password" isRequired><TextInput id="totp-password" className="postern-short" isRequired type="password" autoComplete="current-password" value={values.password} onChange={(_, v) => setValues((old) => ({ ...old, password: v }))} /></FormGroup>
      <ActionGroup>
        <Button type="submit" isDisabled={put.isPending || !values.code || !values.password} isLoading={put.isPending}>{w.totpPut}</Button>
        <Button variant="link" onClick={cancel}>{common.cancel}</Button>
      </ActionGroup>
    </Form>
  );
}

function Remove({ done }: { done: () => Promise<void> }) {
  const w = useWords(words);
  const [password, setPassword] = useState("");
  const remove = useAct(() => api("POST", "/session/totp/remove", { password }), async () => {
    setPassword("");
    await done();
    return w.totpRemoved;
  }, "shown");
  return (
    <Form aria-label={w.totpRemove} onSubmit={(event) => { event.preventDefault(); remove.mutate(undefined); }}>
      {remove.isError && <Failure error={remove.error} />}
      <FormGroup label={w.old} fieldId="totp-remove"><TextInput id="totp-remove" className="postern-short" type="password" autoComplete="current-password" value={password} onChange={(_, v) => setPassword(v)} /></FormGroup>
      <ActionGroup><Button type="submit" variant="secondary" isDanger isDisabled={remove.isPending || !password} isLoading={remove.isPending}>{w.totpRemove}</Button></ActionGroup>
    </Form>
  );
}
