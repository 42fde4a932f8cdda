import { ActionGroup, Button, Card, CardBody, CardTitle, Form, FormGroup, TextInput } from "@patternfly/react-core";
import { useState } from "react";

import { api, Refused } from "../../api/client";
import { useWords } from "../../i18n";
import { Failure } from "../../parts/Failure";
import { useAct } from "../../parts/Said";
import { words } from "./words";

export function OwnPassword({ name }: { name: string }) {
  const w = useWords(words);
  const [values, setValues] = useState({ old: "", new: "", repeat: "" });
  const change = useAct(() => {
    if (values.new !== values.repeat) throw new Refused(0, w.differ);
    return api("PUT", "/session/password", { old: values.old, new: values.new });
  }, () => {
    setValues({ old: "", new: "", repeat: "" });
    return w.changedSaid;
  }, "shown");
  const field = (id: keyof typeof values, label: string, autoComplete: string) => (
    <FormGroup label={label} fieldId={`own-${id}`}><TextInput id={`own-${id}`} className="postern-short" type="password" autoComplete={autoComplete} value={values[id]} onChange={(_, v) => setValues((old) => ({ ...old, [id]: v }))} /></FormGroup>
  );
  return (
    <Card>
      <CardTitle component="h2">{w.own}</CardTitle>
      <CardBody>
        <Form aria-label={w.own} onSubmit={(event) => { event.preventDefault(); change.mutate(undefined); }}>
          <input type="text" name="username" autoComplete="username" value={name} readOnly hidden />
          {change.isError && <Failure error={change.error} />}
          {field("old", w.old, "current-password")}
          {field("new", w.new, "new-password")}
          {field("repeat", w.repeat, "new-password")}
          <ActionGroup><Button type="submit" variant="secondary" isDisabled={change.isPending || !values.old || !values.new} isLoading={change.isPending}>{w.change}</Button></ActionGroup>
        </Form>
      </CardBody>
    </Card>
  );
}
