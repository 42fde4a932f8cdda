import { ActionGroup, Button, Card, CardBody, CardTitle, Form, FormGroup, TextInput } from "@patternfly/react-core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState, type ReactNode } from "react";

import { api, login, Refused } from "../api/client";
import { Failure } from "../parts/Failure";
import { useTongue } from "../i18n";

export interface Field { id: string; label: string; type: "text" | "password"; autoComplete: string; hint?: string; optional?: true }

/** A card with fields and one button. */
export function Asking({ title, text, fields, button, act, aside }: { title: string; text?: string; fields: Field[]; button: string; act: (values: Record<string, string>) => Promise<void>; aside: ReactNode }) {
  const [values, setValues] = useState<Record<string, string>>({});
  const doing = useMutation({ mutationFn: () => act(values) });
  return (
    <main className="postern-login">
      <Card>
        <CardTitle component="h1">{title}</CardTitle>
        <CardBody>
          <Form onSubmit={(event) => { event.preventDefault(); doing.mutate(); }}>
            {text && <p>{text}</p>}
            {doing.isError && <Failure error={doing.error} />}
            {fields.map(({ id, label, type, autoComplete, hint, optional }, at) => (
              <FormGroup key={id} label={label} fieldId={id} isRequired={!optional}>
                <TextInput id={id} type={type} isRequired={!optional} {...(hint ? { placeholder: hint } : {})} autoComplete={autoComplete} autoFocus={at === 0} value={values[id] ?? ""} onChange={(_, value) => setValues((old) => ({ ...old, [id]: value }))} />
              </FormGroup>
            ))}
            <ActionGroup><Button type="submit" isLoading={doing.isPending} isDisabled={doing.isPending}>{button}</Button>{aside}</ActionGroup>
          </Form>
        </CardBody>
      </Card>
    </main>
  );
}

export function Login({ aside }: { aside: ReactNode }) {
  const { words } = useTongue();
  const queries = useQueryClient();
  /** Name and password are right, and a code is asked for. */
  const [known, setKnown] = useState<Record<string, string> | null>(null);
  const act = async (values: Record<string, string>) => {
    const { name = "", password = "" } = known ?? values;
    try {
      queries.setQueryData(["session"], await login(name, password, values["code"]));
    } catch (error) {
      if (known || !(error instanceof Refused) || error.kind !== "code-needed") throw error;
      setKnown(values);
    }
  };
  if (known) {
    const back = <Button variant="link" onClick={() => setKnown(null)}>{words.cancel}</Button>;
    return <Asking key="code" title="Postern" text={words.codeText} fields={[{ id: "code", label: words.code, type: "text", autoComplete: "one-time-code" }]} button={words.login} act={act} aside={<>{back}{aside}</>} />;
  }
  const fields: Field[] = [
    { id: "name", label: words.name, type: "text", autoComplete: "username" },
    { id: "password", label: words.password, type: "password", autoComplete: "current-password" },
  ];
  return <Asking key="login" title="Postern" fields={fields} button={words.login} act={act} aside={aside} />;
}

/** The first start prints a password of one use: nothing else is shown before it is changed. */
export function FirstPassword({ aside }: { aside: ReactNode }) {
  const { words } = useTongue();
  const queries = useQueryClient();
  const act = async (values: Record<string, string>) => {
    if (values["new"] !== values["repeat"]) throw new Refused(0, words.differ);
    await api("PUT", "/session/password", { old: values["old"] ?? "", new: values["new"] ?? "" });
    await queries.invalidateQueries({ queryKey: ["session"] });
  };
  const fields: Field[] = [
    { id: "old", label: words.oldPassword, type: "password", autoComplete: "current-password" },
    { id: "new", label: words.newPassword, type: "password", autoComplete: "new-password" },
    { id: "repeat", label: words.repeat, type: "password", autoComplete: "new-password" },
  ];
  return <Asking key="first" title={words.firstTitle} text={words.firstText} fields={fields} button={words.set} act={act} aside={aside} />;
}
