import { ActionGroup, Alert, Button, Card, CardBody, CardTitle, ClipboardCopy, Form, FormGroup, TextInput } from "@patternfly/react-core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { api, part, type Schemas } from "../../api/client";
import { useTongue, useWords } from "../../i18n";
import { Ask, type Question } from "../../parts/Ask";
import { Listing, type Column } from "../../parts/Listing";
import { useAct } from "../../parts/Said";
import { words } from "./words";

type Admin = Schemas["AdminRow"];

export function Admins({ own }: { own: string }) {
  const w = useWords(words);
  const { when } = useTongue();
  const queries = useQueryClient();
  const [name, setName] = useState("");
  const [made, setMade] = useState<Schemas["MadePassword"] | null>(null);
  const [question, setQuestion] = useState<Question | null>(null);
  const admins = useQuery({ queryKey: ["admins"], queryFn: () => api<Schemas["Admins"]>("GET", "/admins") });
  const again = () => queries.invalidateQueries({ queryKey: ["admins"] });
  const add = useAct(() => api<Schemas["MadePassword"]>("POST", "/admins", { name: name.trim() }), async (given) => {
    setMade(given);
    setName("");
    await again();
    return w.addedSaid.replace("{name}", given.name);
  });
  const reset = useAct((of: string) => api<Schemas["MadePassword"]>("PUT", `/admins/${part(of)}/password`, {}), async (given) => {
    setMade(given);
    await again();
    return w.resetSaid.replace("{name}", given.name);
  });
  const remove = useAct((of: string) => api("DELETE", `/admins/${part(of)}`), async (_, of) => {
    setMade(null);
    await queries.invalidateQueries({ predicate: (q) => ["admins", "tokens"].includes(String(q.queryKey[0])) });
    return w.removedSaid.replace("{name}", of);
  });
  const busy = add.isPending || reset.isPending || remove.isPending;
  const columns: Column<Admin>[] = [
    { name: w.name, kind: "text", show: (a) => <>{a.name}{a.name === own && <span className="postern-soft"> ({w.you})</span>}{a.one_time_password && <div className="postern-soft">{w.oneTime}</div>}</> },
    { name: w.created, show: (a) => when(a.created) },
    { name: w.acts, kind: "acts", show: (a) => a.name !== own && (
      <>
        <Button variant="link" size="sm" isDisabled={busy} aria-label={`${w.reset}: ${a.name}`} onClick={() => setQuestion({ title: w.resetAsk.replace("{name}", a.name), text: w.resetText.replace("{name}", a.name), button: w.reset, act: () => reset.mutate(a.name) })}>{w.reset}</Button>
        <Button variant="link" size="sm" isDanger isDisabled={busy} aria-label={`${w.remove}: ${a.name}`} onClick={() => setQuestion({ title: w.removeAsk.replace("{name}", a.name), text: w.removeText, button: w.remove, danger: true, act: () => remove.mutate(a.name) })}>{w.remove}</Button>
      </>
    ) },
  ];
  return (
    <Card>
      <CardTitle component="h2">{w.admins}</CardTitle>
      <CardBody>
        {made?.password && <Alert component="p" isInline variant="info" title={w.madeText.replace("{name}", made.name)} className="postern-gap"><ClipboardCopy isReadOnly hoverTip={w.copy} clickTip={w.copied} textAriaLabel={w.password}>{made.password}</ClipboardCopy></Alert>}
        <Listing label={w.admins} columns={columns} rows={admins.data?.admins ?? []} id={(a) => a.name} asked={admins} empty={w.noAdmins} />
      </CardBody>
      <CardBody>
        <Form aria-label={w.add} onSubmit={(event) => { event.preventDefault(); add.mutate(undefined); }}>
          <FormGroup label={w.add} fieldId="admin-name"><TextInput id="admin-name" className="postern-short" autoComplete="off" placeholder={w.nameHint} value={name} onChange={(_, v) => setName(v)} /></FormGroup>
          <ActionGroup><Button type="submit" variant="secondary" isDisabled={busy || !name.trim()} isLoading={add.isPending}>{w.addButton}</Button></ActionGroup>
        </Form>
      </CardBody>
      <Ask question={question} close={() => setQuestion(null)} />
    </Card>
  );
}
