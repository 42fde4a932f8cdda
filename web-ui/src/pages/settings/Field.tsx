import { Button, Card, CardBody, Checkbox, FormGroup, FormHelperText, FormSelect, FormSelectOption, HelperText, HelperTextItem, TextArea, TextInput } from "@patternfly/react-core";
import { useState } from "react";

import { useWords } from "../../i18n";
import { choices, kind, mayBeNull, resolve, same, shown, type Schema } from "./schema";
import { words } from "./words";

export interface FieldProps {
  path: string;
  name: string;
  schema: Schema;
  root: Schema;
  value: unknown;
  set: (value: unknown) => void;
  fault?: string | undefined;
  /** It may be left out altogether. */
  nullable?: boolean;
}

/** One setting: its name, its documentation, its default, and what it is edited with. */
export function Field(props: FieldProps) {
  const w = useWords(words);
  const { path, name, root, value, set, fault } = props;
  const schema = resolve(props.schema, root);
  const id = `setting-${path}`;
  const differs = schema.default !== undefined && !same(schema.default, value);
  const usual = schema.default === "" ? w.empty : Array.isArray(schema.default) && !schema.default.length ? w.none : schema.default === null ? w.none : shown(schema.default);
  const help = (
    <FormHelperText>
      <HelperText id={`${id}-help`}>
        {fault && <HelperTextItem variant="error">{fault}</HelperTextItem>}
        {schema.description && <HelperTextItem><Prose text={schema.description} /></HelperTextItem>}
        {differs && <HelperTextItem>{w.default.replace("{value}", () => usual)} <Button variant="link" isInline size="sm" aria-label={`${w.back}: ${name}`} onClick={() => set(schema.default)}>{w.back}</Button></HelperTextItem>}
      </HelperText>
    </FormHelperText>
  );
  if (kind(schema) === "switch") {
    return <FormGroup><Checkbox id={id} label={name} isChecked={value === true} onChange={(_, on) => set(on)} aria-describedby={`${id}-help`} />{help}</FormGroup>;
  }
  return <FormGroup label={name} fieldId={id}><Input {...props} schema={schema} id={id} nullable={mayBeNull(props.schema) || mayBeNull(schema)} />{help}</FormGroup>;
}

/** The settings' documentation is written as Markdown of the plainest sort: only code is marked. */
export function Prose({ text }: { text: string }) {
  return text.split("`").map((piece, at) => (at % 2 ? <code key={at}>{piece}</code> : piece));
}

/** What must be given first, then what is one field, then lists and tables. */
function inOrder(schema: Schema, root: Schema): [string, Schema][] {
  const weight = ([key, of]: [string, Schema]) => {
    const inner = resolve(of, root);
    if (kind(inner) === "table") return 3;
    if (kind(inner) === "list" && kind(resolve(inner.items ?? {}, root)) === "table") return 2;
    return schema.required?.includes(key) ? 0 : 1;
  };
  return Object.entries(schema.properties ?? {}).sort((a, b) => weight(a) - weight(b));
}

function Input({ id, name, path, schema, root, value, set, fault, nullable = false }: FieldProps & { id: string }) {
  const w = useWords(words);
  const described = { "aria-describedby": `${id}-help`, validated: fault ? ("error" as const) : ("default" as const) };
  switch (kind(schema)) {
    case "choice":
      return (
        <FormSelect id={id} className="postern-short" value={value === null || value === undefined ? "" : String(value)} onChange={(_, v) => set(v === "" ? null : v)} aria-describedby={`${id}-help`}>
          {nullable && <FormSelectOption value="" label={w.none} />}
          {(choices(schema) ?? []).map((c) => <FormSelectOption key={c.value} value={c.value} label={c.about ? `${c.value}: ${c.about}` : c.value} />)}
        </FormSelect>
      );
    case "number":
      return <NumberInput id={id} value={value} set={set} nullable={nullable || schema.default === undefined} />;
    case "text":
      if (typeof value === "string" && (name === "text" || value.includes("\n"))) return <TextArea id={id} rows={8} resizeOrientation="vertical" spellCheck={false} value={value} onChange={(_, v) => set(v)} {...described} />;
      return <TextInput id={id} type={/password|secret|passphrase|token/.test(name) ? "password" : "text"} autoComplete="off" spellCheck={false} value={typeof value === "string" ? value : ""} onChange={(_, v) => set(v === "" && nullable ? null : v)} {...described} />;
    case "list": {
      const items = resolve(schema.items ?? {}, root);
      if (kind(items) === "table") return <Tables path={path} name={name} schema={items} root={root} value={Array.isArray(value) ? value : []} set={set} />;
      if (kind(items) === "text" || kind(items) === "number") return <Lines id={id} value={Array.isArray(value) ? value : []} set={set} isNumber={kind(items) === "number"} />;
      if (kind(items) === "choice") return <Choices id={id} name={name} of={choices(items)?.map((c) => c.value) ?? []} value={Array.isArray(value) ? value : []} set={set} />;
      return <JsonInput id={id} value={value} set={set} />;
    }
    default:
      return <JsonInput id={id} value={value} set={set} />;
  }
}

function NumberInput({ id, value, set, nullable }: { id: string; value: unknown; set: (value: unknown) => void; nullable: boolean }) {
  const w = useWords(words);
  const [text, setText] = useState(value === null || value === undefined ? "" : String(value));
  const [kept, setKept] = useState(value);
  if (!Object.is(kept, value)) {
    // Changed from outside: discarded, or back to the default.
    setKept(value);
    if (Number(text) !== value || text.trim() === "") setText(value === null || value === undefined ? "" : String(value));
  }
  const isNumber = text.trim() !== "" && Number.isFinite(Number(text));
  const change = (next: string) => {
    setText(next);
    if (next.trim() === "" && nullable) set(null);
    else if (next.trim() !== "" && Number.isFinite(Number(next))) set(Number(next));
  };
  const isBad = !isNumber && !(nullable && text.trim() === "");
  return (
    <>
      <TextInput id={id} className="postern-short" inputMode="decimal" autoComplete="off" value={text} validated={isBad ? "error" : "default"} onChange={(_, v) => change(v)} aria-describedby={`${id}-help`} />
      {isBad && <HelperText><HelperTextItem variant="error">{w.notNumber}</HelperTextItem></HelperText>}
    </>
  );
}

/** Any of some words. Many of them are one field of lines: nobody looks through forty boxes. */
function Choices({ id, name, of, value, set }: { id: string; name: string; of: string[]; value: unknown[]; set: (value: unknown) => void }) {
  if (of.length > 12) return <Lines id={id} value={value} set={set} isNumber={false} />;
  return (
    <div id={id} className="postern-checks" role="group" aria-label={name} aria-describedby={`${id}-help`}>
      {of.map((one) => <Checkbox key={one} id={`${id}-${one}`} label={one} isChecked={value.includes(one)} onChange={(_, on) => set(of.filter((other) => (other === one ? on : value.includes(other))))} />)}
    </div>
  );
}

/** A list of words or figures, one a line. */
function Lines({ id, value, set, isNumber }: { id: string; value: unknown[]; set: (value: unknown) => void; isNumber: boolean }) {
  const w = useWords(words);
  const [text, setText] = useState(value.map(String).join("\n"));
  const read = (from: string): unknown[] => from.split("\n").map((l) => l.trim()).filter(Boolean).map((l) => (isNumber && Number.isFinite(Number(l)) ? Number(l) : l));
  const [kept, setKept] = useState(value);
  if (!same(kept, value)) {
    setKept(value);
    if (!same(read(text), value)) setText(value.map(String).join("\n"));
  }
  return <TextArea id={id} rows={Math.min(10, Math.max(2, value.length + 1))} resizeOrientation="vertical" spellCheck={false} placeholder={w.oneALine} value={text} aria-describedby={`${id}-help`} onChange={(_, v) => { setText(v); set(read(v)); }} />;
}

function JsonInput({ id, value, set }: { id: string; value: unknown; set: (value: unknown) => void }) {
  const w = useWords(words);
  const [text, setText] = useState(JSON.stringify(value, null, 2));
  const [bad, setBad] = useState(false);
  const [kept, setKept] = useState(value);
  if (!same(kept, value)) {
    setKept(value);
    if (!bad && !same(JSON.parse(text), value)) setText(JSON.stringify(value, null, 2));
  }
  const change = (next: string) => {
    setText(next);
    try {
      set(JSON.parse(next));
      setBad(false);
    } catch {
      setBad(true);
    }
  };
  return (
    <>
      <TextArea id={id} rows={Math.min(14, text.split("\n").length + 1)} resizeOrientation="vertical" spellCheck={false} value={text} validated={bad ? "error" : "default"} aria-describedby={`${id}-help`} onChange={(_, v) => change(v)} />
      <HelperText><HelperTextItem variant={bad ? "error" : "default"}>{bad ? w.notJson : w.json}</HelperTextItem></HelperText>
    </>
  );
}

/** A list of tables: domains, their backends, feeds. */
function Tables({ path, name, schema, root, value, set }: { path: string; name: string; schema: Schema; root: Schema; value: unknown[]; set: (value: unknown) => void }) {
  const w = useWords(words);
  const fields = inOrder(schema, root);
  const fresh = () => Object.fromEntries(fields.map(([key, s]) => {
    const inner = resolve(s, root);
    return [key, inner.default !== undefined ? inner.default : kind(inner) === "list" ? [] : kind(inner) === "choice" ? choices(inner)?.[0]?.value ?? "" : kind(inner) === "number" ? 0 : kind(inner) === "switch" ? false : ""];
  }));
  return (
    <>
      {value.map((row, at) => {
        const table = (row ?? {}) as Record<string, unknown>;
        const title = w.item.replace("{name}", name).replace("{n}", String(at + 1));
        return (
          <Card key={at} isCompact className="postern-gap" role="group" aria-label={title}>
            <CardBody className="postern-fields">
              {fields.map(([key, s]) => <Field key={key} path={`${path}[${at}].${key}`} name={key} schema={s} root={root} value={table[key] ?? null} set={(v) => set(value.map((old, n) => (n === at ? { ...table, [key]: v } : old)))} />)}
              <Button variant="link" isDanger onClick={() => set(value.filter((_, n) => n !== at))} aria-label={`${w.remove}: ${title}`}>{w.remove}</Button>
            </CardBody>
          </Card>
        );
      })}
      <Button id={`setting-${path}`} variant="secondary" size="sm" onClick={() => set([...value, fresh()])} aria-label={`${w.add}: ${name}`}>{w.add}</Button>
    </>
  );
}

/** All settings of a table, tables within it as parts with a title. */
export function Table({ path, schema, root, value, set, faults, level }: { path: string; schema: Schema; root: Schema; value: Record<string, unknown>; set: (path: string, value: unknown) => void; faults: Map<string, string>; level: 3 | 4 | 5 }) {
  const Title = `h${level}` as "h3" | "h4" | "h5";
  return inOrder(schema, root).map(([key, of]) => {
    const inner = resolve(of, root);
    const here = path ? `${path}.${key}` : key;
    if (kind(inner) === "table") {
      return (
        <fieldset key={key} className="postern-part">
          <legend><Title className="postern-part-title">{key}</Title></legend>
          {inner.description && <p className="postern-soft"><Prose text={inner.description} /></p>}
          <Table path={here} schema={inner} root={root} value={(value[key] ?? {}) as Record<string, unknown>} set={set} faults={faults} level={level === 3 ? 4 : 5} />
        </fieldset>
      );
    }
    return <Field key={key} path={here} name={key} schema={of} root={root} value={value[key]} set={(v) => set(here, v)} fault={[...faults].find(([p]) => p === here || p.startsWith(`${here}[`) || p.startsWith(`${here}.`))?.[1]} />;
  });
}
