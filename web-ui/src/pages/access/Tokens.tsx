import { ActionGroup, Alert, Button, Card, CardBody, CardTitle, ClipboardCopy, Form, FormGroup, FormSelect, FormSelectOption, Grid, GridItem, TextInput } from "@patternfly/react-core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { api, type Schemas } from "../../api/client";
import { useTongue, useWords } from "../../i18n";
import { Ask, type Question } from "../../parts/Ask";
import { Listing, type Column } from "../../parts/Listing";
import { May } from "../../parts/May";
import { useAct } from "../../parts/Said";
import { ALL, asked, Rights, RightsShown } from "./Rights";
import { words } from "./words";

const SCOPES = ["read", "metrics", "full"] as const;

export function Tokens() {
  const w = useWords(words);
  const { when } = useTongue();
  const queries = useQueryClient();
  const [name, setName] = useState("");
  const [scope, setScope] = useState<string>("read");
  const [rights, setRights] = useState(ALL);
  const [lifetime, setLifetime] = useState("90d");
  const [made, setMade] = useState<string | null>(null);
  const [question, setQuestion] = useState<Question | null>(null);
  const tokens = useQuery({ queryKey: ["tokens"], queryFn: () => api<Schemas["Tokens"]>("GET", "/tokens") });
  const again = () => queries.invalidateQueries({ queryKey: ["tokens"] });
  const add = useAct(() => api<Schemas["MadeToken"]>("POST", "/tokens", { name: name.trim(), scope, ...asked(rights), lifetime: lifetime.trim() || null }), async (given) => {
    setMade(given.token);
    setName("");
    await again();
    return w.tokenSaid;
  });
  const remove = useAct((id: number) => api("DELETE", `/tokens/${id}`), async () => {
    setMade(null);
    await again();
    return w.removedToken;
  });
  const known: Record<string, string> = { full: w.full, read: w.read, metrics: w.metrics };
  const columns: Column<Schemas["TokenRow"]>[] = [
    { name: w.purpose, kind: "text", show: (t) => t.name },
    { name: w.scope, show: (t) => known[t.scope] ?? t.scope },
    { name: w.role, kind: "text", show: (t) => <RightsShown role={t.role} domains={t.domains} /> },
    { name: w.inNameOf, show: (t) => t.admin },
    { name: w.created, show: (t) => when(t.created) },
    { name: w.used, show: (t) => (t.used ? when(t.used) : w.never) },
    { name: w.expires, show: (t) => (t.expires ? when(t.expires) : w.forever) },
    { name: w.acts, kind: "acts", show: (t) => <May ask="DELETE /tokens/{id}"><Button variant="link" size="sm" isDanger isDisabled={remove.isPending} aria-label={`${w.remove}: ${t.name}`} onClick={() => setQuestion({ title: w.removeTokenAsk.replace("{name}", () => t.name), text: w.removeTokenText, button: w.remove, danger: true, act: () => remove.mutate(t.id) })}>{w.remove}</Button></May> },
  ];
  return (
    <Card>
      <CardTitle component="h2">{w.tokens}</CardTitle>
      <CardBody>
        {made && <Alert component="p" isInline variant="info" title={w.tokenText} className="postern-gap"><ClipboardCopy isReadOnly hoverTip={w.copy} clickTip={w.copied} textAriaLabel={w.token}>{made}</ClipboardCopy></Alert>}
        <Listing label={w.tokens} columns={columns} rows={tokens.data?.tokens ?? []} id={(t) => String(t.id)} asked={tokens} empty={w.noTokens} />
      </CardBody>
      <May ask="POST /tokens">
        <CardBody>
          <Form aria-label={w.make} onSubmit={(event) => { event.preventDefault(); add.mutate(undefined); }}>
            <Grid hasGutter>
              <GridItem sm={12} lg={5}><FormGroup label={w.purpose} fieldId="token-name" isRequired><TextInput id="token-name" isRequired autoComplete="off" value={name} onChange={(_, v) => setName(v)} /></FormGroup></GridItem>
              <GridItem sm={6} lg={3}><FormGroup label={w.scope} fieldId="token-scope"><FormSelect id="token-scope" value={scope} onChange={(_, v) => setScope(v)}>{SCOPES.map((s) => <FormSelectOption key={s} value={s} label={w[s]} />)}</FormSelect></FormGroup></GridItem>
              <GridItem sm={6} lg={4}><FormGroup label={w.lifetime} fieldId="token-lifetime"><TextInput id="token-lifetime" autoComplete="off" placeholder={w.lifetimeHint} value={lifetime} onChange={(_, v) => setLifetime(v)} /></FormGroup></GridItem>
            </Grid>
            <Rights id="token" given={rights} set={setRights} />
            <ActionGroup><Button type="submit" variant="secondary" isDisabled={add.isPending || !name.trim()} isLoading={add.isPending}>{w.make}</Button></ActionGroup>
          </Form>
        </CardBody>
      </May>
      <Ask question={question} close={() => setQuestion(null)} />
    </Card>
  );
}
