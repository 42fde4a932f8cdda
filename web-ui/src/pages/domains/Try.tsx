import { ActionGroup, Button, Card, CardBody, CardTitle, Content, Form, FormGroup, FormSelect, FormSelectOption, Label, TextInput } from "@patternfly/react-core";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";

import { api } from "../../api/client";
import type { Tried } from "../../api/shapes";
import { useTongue, useWords } from "../../i18n";
import { Failure } from "../../parts/Failure";
import { Listing, THERE } from "../../parts/Listing";
import { words } from "./words";

/** Asks every address of a domain's mail servers whether it would take mail. */
export function Try({ of }: { of: { name: string | null; called: string }[] }) {
  const w = useWords(words);
  const { number } = useTongue();
  const [at, setAt] = useState(0);
  const [recipient, setRecipient] = useState("");
  const attempt = useMutation({ mutationFn: () => api<{ tried: Tried[] }>("POST", "/domains/try", { domain: of[at]?.name ?? null, recipient: recipient.trim() || null }) });
  const line = (t: Tried) => (t.trouble && !t.tls ? "–" : t.tls ? <>{t.tls}<div className="postern-soft">{t.is_trusted ? w.checked : w.unchecked}</div></> : w.clear);
  const answer = (t: Tried) => {
    const why = t.trouble ?? (t.recipient?.is_taken === false ? t.recipient.reply : null);
    return why ? <span className="postern-fault">{why}</span> : <><Label isCompact className="postern-mark" color="green">{w.fine}</Label>{t.recipient && <div className="postern-soft">{t.recipient.reply}</div>}</>;
  };
  return (
    <Card>
      <CardTitle component="h2">{w.try}</CardTitle>
      <CardBody>
        <Content component="p" className="postern-soft">{w.tryText}</Content>
        <Form aria-label={w.try} onSubmit={(event) => { event.preventDefault(); attempt.mutate(); }}>
          <FormGroup label={w.domain} fieldId="try-domain">
            <FormSelect id="try-domain" className="postern-short" value={String(at)} onChange={(_, v) => setAt(Number(v))}>{of.map((one, n) => <FormSelectOption key={one.called} value={String(n)} label={one.called} />)}</FormSelect>
          </FormGroup>
          <FormGroup label={w.tryRecipient} fieldId="try-recipient"><TextInput id="try-recipient" className="postern-short" type="email" autoComplete="off" placeholder={w.tryRecipientHint} value={recipient} onChange={(_, v) => setRecipient(v)} /></FormGroup>
          <ActionGroup><Button type="submit" variant="secondary" isDisabled={attempt.isPending} isLoading={attempt.isPending}>{w.tryDo}</Button></ActionGroup>
        </Form>
      </CardBody>
      <CardBody aria-live="polite">
        {attempt.isError && <Failure error={attempt.error} />}
        {attempt.data && (
          <Listing label={w.tried} rows={attempt.data.tried} id={(t) => t.host} asked={THERE} empty={w.noHops} columns={[
            { name: w.host, kind: "text", show: (t) => <>{t.host}<div className="postern-soft">{w.took.replace("{ms}", number(t.milliseconds))}</div></> }, { name: w.line, kind: "text", show: line }, { name: w.answer, kind: "text", show: answer }]} />
        )}
      </CardBody>
    </Card>
  );
}
