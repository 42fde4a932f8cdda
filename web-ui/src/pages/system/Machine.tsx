import { ActionGroup, Button, Card, CardBody, CardTitle, Content, Form, Spinner, TextArea } from "@patternfly/react-core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { api, type Schemas } from "../../api/client";
import { useTongue, useWords } from "../../i18n";
import { Failure } from "../../parts/Failure";
import { May } from "../../parts/May";
import { useAct } from "../../parts/Said";
import { words } from "./words";

export function Machine() {
  const w = useWords(words);
  const { words: common } = useTongue();
  const machine = useQuery({ queryKey: ["machine"], queryFn: () => api<Schemas["MachineText"]>("GET", "/system/machine"), refetchOnWindowFocus: false });
  return (
    <Card>
      <CardTitle component="h2">{w.machine}</CardTitle>
      <CardBody>
        <Content component="p" className="postern-soft">{w.machineText}</Content>
        {machine.isPending ? <Spinner aria-label={common.loading} /> : !machine.data ? <Failure error={machine.error ?? new Error()} again={() => void machine.refetch()} /> : <Editing key={machine.data.text} kept={machine.data.text} />}
      </CardBody>
    </Card>
  );
}

function Editing({ kept }: { kept: string }) {
  const w = useWords(words);
  const queries = useQueryClient();
  const [text, setText] = useState(kept);
  const save = useAct(() => api<string[]>("PUT", "/system/machine", { text }), async (files) => {
    await queries.invalidateQueries({ queryKey: ["machine"] });
    return files.length ? w.machineSaid.replace("{files}", () => files.join(", ")) : w.machineSame;
  }, "shown");
  return (
    <Form onSubmit={(event) => { event.preventDefault(); save.mutate(undefined); }}>
      {save.isError && <Failure error={save.error} />}
      <TextArea aria-label={w.machine} className="postern-file" rows={14} resizeOrientation="vertical" spellCheck={false} value={text} onChange={(_, v) => setText(v)} />
      <May ask="PUT /system/machine"><ActionGroup><Button type="submit" variant="secondary" isDisabled={text === kept || save.isPending} isLoading={save.isPending}>{w.machineSave}</Button></ActionGroup></May>
    </Form>
  );
}
