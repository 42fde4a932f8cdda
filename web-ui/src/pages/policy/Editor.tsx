import { Checkbox, ExpandableSection, FormGroup, TextInput } from "@patternfly/react-core";

import { useWords } from "../../i18n";
import { Prose, Table } from "../settings/Field";
import { resolve, type Schema } from "../settings/schema";
import { put, said, type Rule, type Values } from "./draft";
import { words } from "./words";

interface Props { path: string; rule: Rule; set: (rule: Rule) => void; schema: Schema; root: Schema; faults: Map<string, string> }

/** One rule: its fields are made from the schema of the settings, with their documentation. */
export function Editor({ path, rule, set, schema, root, faults }: Props) {
  const w = useWords(words);
  const inner = (name: string) => resolve(schema.properties?.[name] ?? {}, root);
  const change = (at: string, value: unknown) => set(put(rule, at.slice(path.length + 1), value));
  const part = (name: "who" | "what" | "when" | "action", of: Schema) => (
    <fieldset className="postern-part" key={name}>
      <legend><h4 className="postern-part-title">{w[name]}</h4></legend>
      {of.description && <p className="postern-soft"><Prose text={of.description} /></p>}
      <Table path={`${path}.${name}`} schema={of} root={root} value={rule[name]} set={change} faults={faults} level={5} />
      {name === "action" && <Thresholds path={path} value={rule.action.thresholds as Values | null} set={change} schema={inner("action")} root={root} faults={faults} />}
    </fieldset>
  );
  const { thresholds: _, ...without } = inner("action").properties ?? {};
  return (
    <div className="postern-fields">
      <FormGroup label={w.name} fieldId={`${path}-name`}><TextInput id={`${path}-name`} autoComplete="off" value={rule.name} validated={faults.has(`${path}.name`) ? "error" : "default"} onChange={(_, v) => set({ ...rule, name: v })} /></FormGroup>
      <FormGroup label={w.comment} fieldId={`${path}-comment`}><TextInput id={`${path}-comment`} autoComplete="off" value={rule.comment} onChange={(_, v) => set({ ...rule, comment: v })} /></FormGroup>
      {part("who", inner("who"))}
      {part("what", inner("what"))}
      {part("when", inner("when"))}
      <ExpandableSection toggleText={`${w.unless}${said(rule.unless).length ? ` (${said(rule.unless).length})` : ""}`}>
        <div className="postern-fields">
          <p className="postern-soft">{w.unlessText}</p>
          <Table path={`${path}.unless`} schema={inner("unless")} root={root} value={rule.unless} set={change} faults={faults} level={4} />
        </div>
      </ExpandableSection>
      {part("action", { ...inner("action"), properties: without })}
    </div>
  );
}

/** They are all there, or none is. */
function Thresholds({ path, value, set, schema, root, faults }: { path: string; value: Values | null; set: (at: string, value: unknown) => void; schema: Schema; root: Schema; faults: Map<string, string> }) {
  const w = useWords(words);
  const at = `${path}.action.thresholds`;
  const of = resolve(schema.properties?.thresholds ?? {}, root);
  const usual = Object.fromEntries(Object.entries(of.properties ?? {}).map(([key, inner]) => [key, resolve(inner, root).default ?? 0]));
  return (
    <>
      <Checkbox id={`${at}-own`} label={w.ownThresholds} isChecked={Boolean(value)} onChange={(_, on) => set(at, on ? usual : null)} />
      {value && <Table path={at} schema={of} root={root} value={value} set={set} faults={faults} level={5} />}
    </>
  );
}
