import { Card, CardBody, CardTitle, Content } from "@patternfly/react-core";

import { useWords } from "../../i18n";
import { Field } from "../settings/Field";
import type { Schema } from "../settings/schema";
import type { Policy } from "./draft";
import { words } from "./words";

/** The named lists, and what holds for all rules. */
export function Lists({ draft, set, schema, root, faults }: { draft: Policy; set: (draft: Policy) => void; schema: Schema; root: Schema; faults: Map<string, string> }) {
  const w = useWords(words);
  const fault = (path: string) => [...faults].find(([p]) => p === path || p.startsWith(`${path}[`))?.[1];
  const field = (name: string) => (
    <Field key={name} path={`policy.${name}`} name={name} schema={schema.properties?.[name] ?? {}} root={root} value={draft[name]} set={(v) => set({ ...draft, [name]: v })} fault={fault(`policy.${name}`)} />
  );
  return (
    <>
      <Card className="postern-gap"><CardTitle component="h2">{w.lists}</CardTitle><CardBody className="postern-fields"><Content component="p" className="postern-soft">{w.listsText}</Content>{field("lists")}</CardBody></Card>
      <Card><CardTitle component="h2">{w.general}</CardTitle><CardBody className="postern-fields">{["when_mixed", "allow_discard", "time_zone"].map(field)}</CardBody></Card>
    </>
  );
}
