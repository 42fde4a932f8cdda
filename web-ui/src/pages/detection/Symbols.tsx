import { Button, Checkbox, Content, Form, FormGroup, FormSelect, FormSelectOption, Grid, GridItem, Modal, ModalBody, ModalFooter, ModalHeader, TextInput, Title } from "@patternfly/react-core";
import { useQuery, useQueryClient, type UseQueryResult } from "@tanstack/react-query";
import { useState } from "react";

import { api, asking, type Schemas } from "../../api/client";
import { useTongue, useWords } from "../../i18n";
import { Listing, type Column } from "../../parts/Listing";
import { May } from "../../parts/May";
import { useAct } from "../../parts/Said";
import { words } from "./words";

type Symbol = Schemas["SymbolRow"];
const DAYS = [1, 7, 30, 365];

/** All symbols: what each weighs, how often it fired, and what became of these mails. */
export function Symbols({ asked }: { asked: UseQueryResult<Schemas["Symbols"]> }) {
  const w = useWords(words);
  const { words: common, number } = useTongue();
  const [only, setOnly] = useState("");
  const [firedOnly, setFiredOnly] = useState(false);
  const [days, setDays] = useState(30);
  const [open, setOpen] = useState<Symbol | null>(null);
  const hits = useQuery({ queryKey: ["symbol-hits", days], queryFn: () => api<Schemas["SymbolHits"]>("GET", asking("/symbols/hits", { days })) });
  const fired = new Map(hits.data?.hits.map((h) => [h.symbol, h]));
  const wanted = only.trim().toLowerCase();
  const rows = (asked.data?.symbols ?? []).filter((s) => (!firedOnly || fired.has(s.name)) && [s.name, s.group, s.description].some((text) => text.toLowerCase().includes(wanted)));
  if (firedOnly) rows.sort((a, b) => (fired.get(b.name)?.mails ?? 0) - (fired.get(a.name)?.mails ?? 0));
  const caps = (asked.data?.group_caps ?? {}) as Record<string, number>;
  const columns: Column<Symbol>[] = [
    { name: w.symbol, kind: "text", show: (s) => <><code>{s.name}</code><div className="postern-soft">{s.description}</div></> },
    { name: w.group, show: (s) => <>{s.group}{caps[s.group] !== undefined && <div className="postern-soft">{w.cap.replace("{cap}", number(caps[s.group] ?? 0, 1))}</div>}</> },
    { name: w.weight, kind: "number", show: (s) => <>{s.weight === 0 ? w.off : number(s.weight, 2)}{s.weight !== s.default_weight && <div className="postern-soft">{w.usual.replace("{weight}", number(s.default_weight, 2))}</div>}</> },
    { name: w.fired.replace("{days}", number(days)), kind: "number", show: (s) => number(fired.get(s.name)?.mails ?? 0) },
    { name: w.share, kind: "number", show: (s) => { const hit = fired.get(s.name); return hit ? `${number((100 * hit.caught) / hit.mails)} %` : w.never; } },
    { name: w.change, kind: "acts", show: (s) => <May ask="PATCH /settings"><Button variant="link" size="sm" aria-label={`${w.change}: ${s.name}`} onClick={() => setOpen(s)}>{w.change}</Button></May> },
  ];
  return (
    <>
      <Title headingLevel="h2">{w.symbols}</Title>
      <Content component="p" className="postern-soft">{hits.data && w.judged.replace("{n}", number(hits.data.judged))} {w.shareHelp}</Content>
      <Form className="postern-gap" onSubmit={(event) => event.preventDefault()}>
        <Grid hasGutter>
          <GridItem sm={6} lg={4}><FormGroup label={w.filter} fieldId="symbols-only"><TextInput id="symbols-only" type="search" value={only} onChange={(_, v) => setOnly(v)} /></FormGroup></GridItem>
          <GridItem sm={6} lg={2}><FormGroup label={w.days} fieldId="symbols-days"><FormSelect id="symbols-days" value={String(days)} onChange={(_, v) => setDays(Number(v))}>{DAYS.map((n) => <FormSelectOption key={n} value={String(n)} label={number(n)} />)}</FormSelect></FormGroup></GridItem>
          <GridItem sm={12} lg={4}><Checkbox id="symbols-fired" label={w.firedOnly} isChecked={firedOnly} onChange={(_, on) => setFiredOnly(on)} /></GridItem>
        </Grid>
      </Form>
      <Listing label={w.symbols} columns={columns} rows={rows} id={(s) => s.name} asked={asked} empty={w.none} />
      {open && <Weight of={open} close={() => setOpen(null)} cancel={common.cancel} save={common.save} />}
    </>
  );
}

function Weight({ of, close, cancel, save: saveWord }: { of: Symbol; close: () => void; cancel: string; save: string }) {
  const w = useWords(words);
  const { number } = useTongue();
  const queries = useQueryClient();
  const [text, setText] = useState(String(of.weight));
  const weight = Number(text.replace(",", "."));
  const isFit = text.trim() !== "" && Number.isFinite(weight);
  const save = useAct((value: number | null) => api("PATCH", "/settings", { path: `filter.weights.${of.name}`, ...(value === null ? {} : { value }) }), async (_, value) => {
    await queries.invalidateQueries({ predicate: (q) => ["symbols", "settings", "settings-history", "cluster-history"].includes(String(q.queryKey[0])) });
    close();
    return w.savedSaid.replace("{name}", of.name).replace("{weight}", number(value ?? of.default_weight, 2));
  });
  return (
    <Modal isOpen variant="small" onClose={close} aria-labelledby="weight-title">
      <ModalHeader labelId="weight-title" title={w.changeOf.replace("{name}", of.name)} />
      <ModalBody>
        <Form id="weight-form" onSubmit={(event) => { event.preventDefault(); if (isFit) save.mutate(weight); }}>
          <Content component="p">{of.description}</Content>
          <FormGroup label={w.weight} fieldId="weight"><TextInput id="weight" className="postern-short" inputMode="decimal" autoComplete="off" value={text} validated={isFit ? "default" : "error"} onChange={(_, v) => setText(v)} /></FormGroup>
          <Content component="p" className="postern-soft">{w.zero}</Content>
        </Form>
      </ModalBody>
      <ModalFooter>
        <Button type="submit" form="weight-form" isDisabled={!isFit || save.isPending}>{saveWord}</Button>
        {of.weight !== of.default_weight && <Button variant="secondary" isDisabled={save.isPending} onClick={() => save.mutate(null)}>{w.reset.replace("{weight}", number(of.default_weight, 2))}</Button>}
        <Button variant="link" onClick={close}>{cancel}</Button>
      </ModalFooter>
    </Modal>
  );
}
