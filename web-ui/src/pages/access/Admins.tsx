import { ActionGroup, Alert, Button, Card, CardBody, CardTitle, ClipboardCopy, Form, FormGroup, Modal, ModalBody, ModalFooter, ModalHeader, TextInput } from "@patternfly/react-core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { api, part, type Schemas } from "../../api/client";
import { useTongue, useWords } from "../../i18n";
import { Ask, type Question } from "../../parts/Ask";
import { Failure } from "../../parts/Failure";
import { Listing, type Column } from "../../parts/Listing";
import { May } from "../../parts/May";
import { useAct } from "../../parts/Said";
import { ALL, asked, Rights, RightsShown, type Given } from "./Rights";
import { words } from "./words";

type Admin = Schemas["AdminRow"];

export function Admins({ own }: { own: string }) {
  const w = useWords(words);
  const { words: common, when } = useTongue();
  const queries = useQueryClient();
  const [name, setName] = useState("");
  const [rights, setRights] = useState(ALL);
  const [changing, setChanging] = useState<{ name: string; given: Given } | null>(null);
  const [made, setMade] = useState<Schemas["MadePassword"] | null>(null);
  const [question, setQuestion] = useState<Question | null>(null);
  const admins = useQuery({ queryKey: ["admins"], queryFn: () => api<Schemas["Admins"]>("GET", "/admins") });
  const again = () => queries.invalidateQueries({ queryKey: ["admins"] });
  const add = useAct(() => api<Schemas["MadePassword"]>("POST", "/admins", { name: name.trim(), ...asked(rights) }), async (given) => {
    setMade(given);
    setName("");
    setRights(ALL);
    await again();
    return w.addedSaid.replace("{name}", given.name);
  });
  const reset = useAct((of: string) => api<Schemas["MadePassword"]>("PUT", `/admins/${part(of)}/password`, {}), async (given) => {
    setMade(given);
    await again();
    return w.resetSaid.replace("{name}", given.name);
  });
  const change = useAct(({ name: of, given }: { name: string; given: Given }) => api("PUT", `/admins/${part(of)}/role`, asked(given)), async (_, { name: of }) => {
    setChanging(null);
    await queries.invalidateQueries({ predicate: (q) => ["admins", "tokens"].includes(String(q.queryKey[0])) });
    return w.roleSaid.replace("{name}", of);
  }, "shown");
  const resetTotp = useAct((of: string) => api("DELETE", `/admins/${part(of)}/totp`), async (_, of) => {
    await again();
    return w.totpResetSaid.replace("{name}", of);
  });
  const remove = useAct((of: string) => api("DELETE", `/admins/${part(of)}`), async (_, of) => {
    setMade(null);
    await queries.invalidateQueries({ predicate: (q) => ["admins", "tokens"].includes(String(q.queryKey[0])) });
    return w.removedSaid.replace("{name}", of);
  });
  const busy = add.isPending || reset.isPending || change.isPending || resetTotp.isPending || remove.isPending;
  const columns: Column<Admin>[] = [
    { name: w.name, kind: "text", show: (a) => <>{a.name}{a.name === own && <span className="postern-soft"> ({w.you})</span>}{a.one_time_password && <div className="postern-soft">{w.oneTime}</div>}{a.totp && <div className="postern-soft">{w.withTotp}</div>}</> },
    { name: w.role, kind: "text", show: (a) => <RightsShown role={a.role} domains={a.domains} /> },
    { name: w.created, show: (a) => when(a.created) },
    { name: w.acts, kind: "acts", show: (a) => a.name !== own && (
      <May ask="PUT /admins/{name}/role">
        <Button variant="link" size="sm" isDisabled={busy} aria-label={`${w.role}: ${a.name}`} onClick={() => { change.reset(); setChanging({ name: a.name, given: { role: a.role, domains: a.domains?.join(" ") ?? "" } }); }}>{w.role}</Button>
        <Button variant="link" size="sm" isDisabled={busy} aria-label={`${w.reset}: ${a.name}`} onClick={() => setQuestion({ title: w.resetAsk.replace("{name}", a.name), text: w.resetText.replace("{name}", a.name), button: w.reset, act: () => reset.mutate(a.name) })}>{w.reset}</Button>
        {a.totp && <Button variant="link" size="sm" isDisabled={busy} aria-label={`${w.totpReset}: ${a.name}`} onClick={() => setQuestion({ title: w.totpResetAsk.replace("{name}", a.name), text: w.totpResetText, button: w.totpReset, danger: true, act: () => resetTotp.mutate(a.name) })}>{w.totpReset}</Button>}
        <Button variant="link" size="sm" isDanger isDisabled={busy} aria-label={`${w.remove}: ${a.name}`} onClick={() => setQuestion({ title: w.removeAsk.replace("{name}", a.name), text: w.removeText, button: w.remove, danger: true, act: () => remove.mutate(a.name) })}>{w.remove}</Button>
      </May>
    ) },
  ];
  return (
    <Card>
      <CardTitle component="h2">{w.admins}</CardTitle>
      <CardBody>
        {made?.password && <Alert component="p" isInline variant="info" title={w.madeText.replace("{name}", made.name)} className="postern-gap"><ClipboardCopy isReadOnly hoverTip={w.copy} clickTip={w.copied} textAriaLabel={w.password}>{made.password}</ClipboardCopy></Alert>}
        <Listing label={w.admins} columns={columns} rows={admins.data?.admins ?? []} id={(a) => a.name} asked={admins} empty={w.noAdmins} />
      </CardBody>
      <May ask="POST /admins">
        <CardBody>
          <Form aria-label={w.add} onSubmit={(event) => { event.preventDefault(); add.mutate(undefined); }}>
            <FormGroup label={w.add} fieldId="admin-name"><TextInput id="admin-name" className="postern-short" autoComplete="off" placeholder={w.nameHint} value={name} onChange={(_, v) => setName(v)} /></FormGroup>
            <Rights id="admin" given={rights} set={setRights} />
            <ActionGroup><Button type="submit" variant="secondary" isDisabled={busy || !name.trim()} isLoading={add.isPending}>{w.addButton}</Button></ActionGroup>
          </Form>
        </CardBody>
      </May>
      {changing && (
        <Modal isOpen variant="medium" onClose={() => setChanging(null)} aria-labelledby="role-title">
          <ModalHeader labelId="role-title" title={w.roleAsk.replace("{name}", changing.name)} description={w.roleText} />
          <ModalBody>
            <Form id="role-form" onSubmit={(event) => { event.preventDefault(); change.mutate(changing); }}>
              {change.isError && <Failure error={change.error} />}
              <Rights id="role" given={changing.given} set={(given) => setChanging({ ...changing, given })} />
            </Form>
          </ModalBody>
          <ModalFooter>
            <Button type="submit" form="role-form" isDisabled={change.isPending} isLoading={change.isPending}>{common.save}</Button>
            <Button variant="link" onClick={() => setChanging(null)}>{common.cancel}</Button>
          </ModalFooter>
        </Modal>
      )}
      <Ask question={question} close={() => setQuestion(null)} />
    </Card>
  );
}
