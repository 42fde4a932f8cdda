import { Button, Card, CardBody, CardTitle, Content, Form, FormGroup, FormHelperText, FormSelect, FormSelectOption, HelperText, HelperTextItem, Label, TextInput } from "@patternfly/react-core";
import { useQuery, useQueryClient, type UseMutationResult } from "@tanstack/react-query";
import { useState } from "react";

import { api, part, type Schemas } from "../../api/client";
import { useTongue, useWords } from "../../i18n";
import { Listing, type Column } from "../../parts/Listing";
import { useAct } from "../../parts/Said";
import { words } from "./words";

export type Choice = "allow" | "block";
type Row = Schemas["ChosenSender"];

/** Allows or blocks a sender for oneself. */
export function useChoose(): UseMutationResult<unknown, Error, { sender: string; choice: Choice }> {
  const w = useWords(words);
  const queries = useQueryClient();
  return useAct(({ sender, choice }) => api("PUT", `/user/senders/${part(sender)}`, { choice }), async (_, { sender, choice }) => {
    await queries.invalidateQueries({ queryKey: ["senders"] });
    return (choice === "allow" ? w.allowedSaid : w.blockedSaid).replace("{sender}", () => sender);
  });
}

/** Whom one allows and blocks. */
export function Senders() {
  const w = useWords(words);
  const { moment, when } = useTongue();
  const queries = useQueryClient();
  const found = useQuery({ queryKey: ["senders"], queryFn: () => api<Schemas["ChosenSenders"]>("GET", "/user/senders") });
  const takeBack = useAct((row: Row) => api("DELETE", `/user/senders/${part(row.sender)}`), async (_, row) => {
    await queries.invalidateQueries({ queryKey: ["senders"] });
    return w.takenBackSaid.replace("{sender}", () => row.sender);
  });
  const columns: Column<Row>[] = [
    { name: w.sender, kind: "text", show: (s) => s.sender },
    { name: w.choice, show: (s) => <Label status={s.choice === "allow" ? "success" : "danger"}>{s.choice === "allow" ? w.allowed : w.blocked}</Label> },
    { name: w.since, kind: "time", show: (s) => <span title={when(s.at)}>{moment(s.at)}</span> },
    { name: w.acts, kind: "acts", show: (s) => <Button variant="link" size="sm" isDisabled={takeBack.isPending} aria-label={`${w.takeBack}: ${s.sender}`} onClick={() => takeBack.mutate(s)}>{w.takeBack}</Button> },
  ];
  const most = found.data?.most ?? 0;
  return (
    <Card>
      <CardTitle component="h2">{w.senders}</CardTitle>
      <CardBody>
        <Content component="p" className="postern-soft">{w.sendersText}</Content>
        <Listing label={w.sendersList} columns={columns} rows={found.data?.senders ?? []} id={(s) => s.sender} asked={found} empty={w.noSenders} />
        {found.data && (found.data.senders.length < most ? <Add /> : <Content component="p">{w.full.replace("{n}", String(most))}</Content>)}
      </CardBody>
    </Card>
  );
}

function Add() {
  const w = useWords(words);
  const [sender, setSender] = useState("");
  const [choice, setChoice] = useState<Choice>("block");
  const choose = useChoose();
  const add = () => choose.mutate({ sender: sender.trim(), choice }, { onSuccess: () => setSender("") });
  return (
    <Form className="postern-above" onSubmit={(event) => { event.preventDefault(); if (sender.trim()) add(); }}>
      <FormGroup label={w.newSender} fieldId="own-sender">
        <TextInput id="own-sender" className="postern-short" autoComplete="off" value={sender} onChange={(_, value) => setSender(value)} aria-describedby="own-sender-hint" />
        <FormHelperText><HelperText><HelperTextItem id="own-sender-hint">{w.senderHint}</HelperTextItem></HelperText></FormHelperText>
      </FormGroup>
      <FormGroup label={w.choice} fieldId="own-choice">
        <FormSelect id="own-choice" className="postern-short" value={choice} onChange={(_, value) => setChoice(value as Choice)}>
          <FormSelectOption value="block" label={w.block} />
          <FormSelectOption value="allow" label={w.allow} />
        </FormSelect>
      </FormGroup>
      <div><Button type="submit" variant="secondary" isDisabled={!sender.trim() || choose.isPending}>{w.add}</Button></div>
    </Form>
  );
}
