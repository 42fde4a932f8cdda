import { ActionList, ActionListItem, Button, ExpandableSection, Form, FormGroup, FormSelect, FormSelectOption, Grid, GridItem, TextInput } from "@patternfly/react-core";
import { useState } from "react";

import { useTongue } from "../i18n";

export interface Field {
  name: string;
  label: string;
  /** A list to choose from: value and what is shown. The first is the usual one. */
  choices?: [string, string][];
  type?: "text" | "datetime-local";
  hint?: string;
}

/** A search: what is asked stands in the address, so that it can be kept and sent to somebody. */
export function Filters({ label, fields, more = [], asked, search }: { label: string; fields: Field[]; more?: Field[]; asked: URLSearchParams; search: (values: Record<string, string>) => void }) {
  const { words } = useTongue();
  const all = [...fields, ...more];
  const [values, setValues] = useState<Record<string, string>>(() => Object.fromEntries(all.map((f) => [f.name, asked.get(f.name) ?? ""])));
  const [open, setOpen] = useState(more.some((f) => asked.get(f.name)));
  const set = (name: string, value: string) => setValues((old) => ({ ...old, [name]: value }));
  const show = (field: Field) => {
    const id = `filter-${field.name}`;
    const value = values[field.name] ?? "";
    return (
      <GridItem key={field.name} sm={6} lg={3}>
        <FormGroup label={field.label} fieldId={id}>
          {field.choices
            ? <FormSelect id={id} value={value} onChange={(_, v) => set(field.name, v)}>{field.choices.map(([v, shown]) => <FormSelectOption key={v} value={v} label={shown} />)}</FormSelect>
            : <TextInput id={id} type={field.type ?? "text"} autoComplete="off" spellCheck={false} placeholder={field.hint} value={value} onChange={(_, v) => set(field.name, v)} />}
        </FormGroup>
      </GridItem>
    );
  };
  const clear = () => {
    setValues(Object.fromEntries(all.map((f) => [f.name, ""])));
    search({});
  };
  return (
    <Form role="search" aria-label={label} onSubmit={(event) => { event.preventDefault(); search(Object.fromEntries(Object.entries(values).map(([k, v]) => [k, v.trim()]))); }}>
      <Grid hasGutter>{fields.map(show)}</Grid>
      {more.length > 0 && (
        <ExpandableSection toggleText={open ? words.lessFilters : words.moreFilters} isExpanded={open} onToggle={(_, is) => setOpen(is)}>
          <Grid hasGutter>{more.map(show)}</Grid>
        </ExpandableSection>
      )}
      <ActionList>
        <ActionListItem><Button type="submit">{words.search}</Button></ActionListItem>
        <ActionListItem><Button variant="link" onClick={clear}>{words.clear}</Button></ActionListItem>
      </ActionList>
    </Form>
  );
}

/** A moment of a `datetime-local` field as the API wants it. */
export function milliseconds(local: string | null): number | undefined {
  const at = local ? new Date(local).getTime() : NaN;
  return Number.isNaN(at) ? undefined : at;
}
