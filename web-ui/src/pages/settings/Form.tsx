import { ActionList, ActionListItem, Alert, AlertActionLink, Button, Card, CardBody, CardTitle, Form, FormGroup, FormSelect, FormSelectOption, Menu, MenuContent, MenuItem, MenuList, Split, SplitItem, TextInput } from "@patternfly/react-core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { api, Refused, type Schemas } from "../../api/client";
import { useTongue, useWords } from "../../i18n";
import { Failure } from "../../parts/Failure";
import { May, MayChange } from "../../parts/May";
import { useAct, useSay } from "../../parts/Said";
import { go, to } from "../../route";
import { Field, Prose, Table } from "./Field";
import { at as schemaAt, kind, resolve, same, tidy, type Schema } from "./schema";
import { words } from "./words";

type Values = Record<string, unknown>;

/** A value deep in a table, by a path of plain keys. */
function at(values: Values, path: string): unknown {
  return path.split(".").reduce<unknown>((inner, key) => (inner as Values | undefined)?.[key], values);
}

function put(values: Values, path: string, value: unknown): Values {
  const [key = "", ...rest] = path.split(".");
  return { ...values, [key]: rest.length ? put((values[key] ?? {}) as Values, rest.join("."), value) : value };
}

/** `alone`: this section and no other can be chosen. */
export function SettingsForm({ section, schema, view, alone }: { section: string; schema: Schema; view: Schemas["SettingsView"]; alone?: true }) {
  const w = useWords(words);
  const { number } = useTongue();
  const say = useSay();
  const queries = useQueryClient();
  const [changes, setChanges] = useState<ReadonlyMap<string, unknown>>(new Map());
  const [message, setMessage] = useState("");
  const [refused, setRefused] = useState<Error | null>(null);
  const stored = view.settings as Values;
  const values = [...changes].reduce((sum, [path, value]) => put(sum, path, value), stored);
  const names = Object.keys(schema.properties ?? {});
  const open = names.includes(section) ? section : names[0] ?? "";
  const of = resolve(schema.properties?.[open] ?? {}, schema);
  const set = (path: string, value: unknown) => setChanges((old) => {
    const next = new Map(old);
    if (same(value ?? null, at(stored, path) ?? null)) next.delete(path);
    else next.set(path, value);
    return next;
  });
  const stale = refused instanceof Refused && refused.status === 412;
  const faults = new Map(refused instanceof Refused ? refused.faults.map((f) => [f.path, f.message]) : []);
  const save = useAct(() => {
    const [first, ...further] = [...changes].map(([path, value]) => (value === null ? { path } : { path, value: tidy(value, schemaAt(schema, path), schema) }));
    setRefused(null);
    return api<Schemas["SettingsChange"]>("PATCH", "/settings", { ...first, further, message: message.trim() }, { "if-match": `"${view.digest}"` });
  }, async ({ changed, restart_needed: restart }) => {
    setChanges(new Map());
    setMessage("");
    await queries.invalidateQueries({ predicate: (q) => ["settings", "settings-history", "cluster-history", "symbols"].includes(String(q.queryKey[0])) });
    if (restart.length) say(w.restart.replace("{what}", restart.join(", ")));
    return changed ? w.savedSaid : w.sameSaid;
  }, "shown");
  const changedIn = (name: string) => [...changes.keys()].filter((p) => p === name || p.startsWith(`${name}.`)).length;
  return (
    <Split hasGutter isWrappable className="postern-settings">
      {!alone && <SplitItem className="postern-settings-choice">
        <FormSelect aria-label={w.sections} value={open} onChange={(_, name) => go(to("settings", name))}>{names.map((name) => <FormSelectOption key={name} value={name} label={name} />)}</FormSelect>
      </SplitItem>}
      {!alone && <SplitItem className="postern-settings-menu">
        <Menu onSelect={(_, name) => go(to("settings", String(name)))} activeItemId={open} isPlain>
          <MenuContent><MenuList aria-label={w.sections}>{names.map((name) => <MenuItem key={name} itemId={name} isSelected={name === open}>{name}{changedIn(name) ? ` (${number(changedIn(name))})` : ""}</MenuItem>)}</MenuList></MenuContent>
        </Menu>
      </SplitItem>}
      <SplitItem isFilled className="postern-settings-form">
        <Card>
          <CardTitle component="h2">{open}</CardTitle>
          <CardBody>
            {of.description && <p className="postern-soft postern-gap"><Prose text={of.description} /></p>}
            <Form key={open} onSubmit={(event) => { event.preventDefault(); if (changes.size) save.mutate(undefined, { onError: setRefused }); }}>
              <MayChange ask="PATCH /settings">
                {kind(of) === "table"
                  ? <Table path={open} schema={of} root={schema} value={(values[open] ?? {}) as Values} set={set} faults={faults} level={3} />
                  : <Field path={open} name={open} schema={schema.properties?.[open] ?? {}} root={schema} value={values[open]} set={(v) => set(open, v)} fault={[...faults].find(([p]) => p.startsWith(open))?.[1]} />}
              </MayChange>
              <May ask="PATCH /settings">
                <div className="postern-savebar">
                  {stale && <Alert component="p" isInline variant="warning" title={w.stale} actionLinks={<AlertActionLink onClick={() => { setRefused(null); void queries.invalidateQueries({ queryKey: ["settings"] }); }}>{w.loadAgain}</AlertActionLink>} />}
                  {refused && !stale && <Failure error={refused} />}
                  <FormGroup label={w.message} fieldId="settings-message"><TextInput id="settings-message" autoComplete="off" placeholder={w.messageHint} value={message} onChange={(_, v) => setMessage(v)} /></FormGroup>
                  <ActionList className="postern-above postern-wrap">
                    <ActionListItem><Button type="submit" isDisabled={!changes.size || save.isPending} isLoading={save.isPending}>{w.save}</Button></ActionListItem>
                    <ActionListItem><Button variant="link" isDisabled={!changes.size} onClick={() => { setChanges(new Map()); setRefused(null); }}>{w.discard}</Button></ActionListItem>
                    <ActionListItem><span aria-live="polite">{w.changed.replace("{n}", number(changes.size))}</span></ActionListItem>
                  </ActionList>
                </div>
              </May>
            </Form>
          </CardBody>
        </Card>
      </SplitItem>
    </Split>
  );
}
