import { ActionGroup, Alert, Button, Card, CardBody, CardTitle, ClipboardCopy, Form, FormGroup, FormSelect, FormSelectOption } from "@patternfly/react-core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { api, part } from "../../api/client";
import type { Invitation } from "../../api/shapes";
import { useTongue, useWords } from "../../i18n";
import { Listing } from "../../parts/Listing";
import { useAct } from "../../parts/Said";
import { words } from "./words";

export function Invitations() {
  const w = useWords(words);
  const { when } = useTongue();
  const queries = useQueryClient();
  const [lifetime, setLifetime] = useState("1h");
  const [token, setToken] = useState<string | null>(null);
  const open = useQuery({ queryKey: ["invitations"], queryFn: () => api<{ invitations: Invitation[] }>("GET", "/cluster/invitations"), refetchInterval: 10_000 });
  const again = () => queries.invalidateQueries({ queryKey: ["invitations"] });
  const invite = useAct(() => api<{ token: string }>("POST", "/cluster/invitations", { lifetime }), async (made) => {
    setToken(made.token);
    await again();
    return w.inviteSaid;
  });
  const revoke = useAct((id: string) => api("DELETE", `/cluster/invitations/${part(id)}`), async () => {
    setToken(null);
    await again();
    return w.revokedSaid;
  });
  return (
    <Card>
      <CardTitle component="h2">{w.invitations}</CardTitle>
      <CardBody>
        <Form onSubmit={(event) => { event.preventDefault(); invite.mutate(undefined); }}>
          <FormGroup label={w.lifetime} fieldId="lifetime">
            <FormSelect id="lifetime" className="postern-short" value={lifetime} onChange={(_, v) => setLifetime(v)}>
              {[["1h", w.hour], ["1d", w.day], ["7d", w.week]].map(([value, shown]) => <FormSelectOption key={value} value={value} label={shown ?? ""} />)}
            </FormSelect>
          </FormGroup>
          <ActionGroup><Button type="submit" variant="secondary" isDisabled={invite.isPending} isLoading={invite.isPending}>{w.invite}</Button></ActionGroup>
        </Form>
        {token && <Alert component="p" isInline variant="info" title={w.tokenShown} className="postern-above"><ClipboardCopy isReadOnly hoverTip={w.copy} clickTip={w.copied} textAriaLabel={w.token} toggleAriaLabel={w.token}>{token}</ClipboardCopy></Alert>}
      </CardBody>
      <CardBody>
        <Listing label={w.invitations} rows={open.data?.invitations ?? []} id={(i) => i.id} asked={open} empty={w.noInvitations} columns={[
          { name: w.issued, show: (i) => when(i.issued) }, { name: w.expires, show: (i) => when(i.expires) },
          { name: w.acts, kind: "acts", show: (i) => <Button variant="link" size="sm" isDanger isDisabled={revoke.isPending} onClick={() => revoke.mutate(i.id)}>{w.revoke}</Button> }]} />
      </CardBody>
    </Card>
  );
}
