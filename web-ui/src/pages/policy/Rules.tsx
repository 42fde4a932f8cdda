import { Button, Card, CardBody, Checkbox, EmptyState, EmptyStateBody, Label } from "@patternfly/react-core";
import ArrowDownIcon from "@patternfly/react-icons/dist/esm/icons/arrow-down-icon";
import ArrowUpIcon from "@patternfly/react-icons/dist/esm/icons/arrow-up-icon";
import GripVerticalIcon from "@patternfly/react-icons/dist/esm/icons/grip-vertical-icon";
import { useRef, useState } from "react";

import { useWords } from "../../i18n";
import { resolve, type Schema } from "../settings/schema";
import { fresh, moved, said, type Policy, type Rule, type Values } from "./draft";
import { Editor } from "./Editor";
import { words } from "./words";

interface Props { draft: Policy; set: (draft: Policy) => void; schema: Schema; root: Schema; faults: Map<string, string> }

/** The rules in their order: dragged by the mouse, moved by buttons; one at a time is open. */
export function Rules({ draft, set, schema, root, faults }: Props) {
  const w = useWords(words);
  const [open, setOpen] = useState<number | null>(null);
  const [dragged, setDragged] = useState<number | null>(null);
  const [over, setOver] = useState<number | null>(null);
  const [news, setNews] = useState("");
  const list = useRef<HTMLOListElement>(null);
  const ruleSchema = resolve(schema.properties?.rules?.items ?? {}, root);
  const rules = draft.rules;
  const names = rules.map((r) => r.name);
  const change = (at: number, rule: Rule) => set({ ...draft, rules: rules.map((old, n) => (n === at ? rule : old)) });
  const move = (from: number, to: number, button?: "up" | "down") => {
    if (to < 0 || to >= rules.length || from === to) return;
    set({ ...draft, rules: moved(rules, from, to) });
    setOpen(null);
    setNews(w.moved.replace("{name}", names[from] ?? "").replace("{n}", String(to + 1)).replace("{all}", String(rules.length)));
    // The button that was pressed moved with its rule: the keyboard stays on it, or on its neighbour at the end.
    if (button) requestAnimationFrame(() => {
      const row = list.current?.children[to];
      const wanted = row?.querySelector<HTMLButtonElement>(`[data-move="${button}"]:not(:disabled)`) ?? row?.querySelector<HTMLButtonElement>("[data-move]:not(:disabled)");
      wanted?.focus();
    });
  };
  const insert = (rule: Rule, at: number) => {
    set({ ...draft, rules: [...rules.slice(0, at), rule, ...rules.slice(at)] });
    setOpen(at);
  };
  const usual = (part: string) => structuredClone(resolve(ruleSchema.properties?.[part] ?? {}, root).default ?? {}) as Values;
  const empty = (): Rule => ({ name: fresh(names, (n) => w.fresh.replace("{n}", String(n))), comment: "", enabled: true, who: usual("who"), what: usual("what"), when: usual("when"), unless: usual("unless"), action: { ...usual("action"), decide: "quarantine" } });
  return (
    <>
      {!rules.length && <EmptyState variant="xs"><EmptyStateBody>{w.noRules}</EmptyStateBody></EmptyState>}
      <ol className="postern-rules" ref={list} aria-label={w.rules}>
        {rules.map((rule, at) => {
          const title = w.rule.replace("{n}", String(at + 1)).replace("{name}", () => rule.name);
          const path = `policy.rules[${at}]`;
          const fault = [...faults].filter(([p]) => p === path || p.startsWith(`${path}.`));
          const asks = [...said(rule.who), ...said(rule.what), ...said(rule.when)];
          const not = said(rule.unless);
          const drop = over === at && dragged !== null && dragged !== at ? (dragged < at ? " postern-drop-after" : " postern-drop-before") : "";
          return (
            <li key={at} className={`postern-rule${drop}`} onDragOver={(event) => { if (dragged !== null) { event.preventDefault(); setOver(at); } }} onDragLeave={() => setOver((now) => (now === at ? null : now))}
              onDrop={(event) => { event.preventDefault(); if (dragged !== null) move(dragged, at); setDragged(null); setOver(null); }}>
              <Card isCompact role="group" aria-label={title}>
                <CardBody>
                  <div className="postern-rule-head">
                    <span className="postern-grip" draggable title={w.handle} aria-hidden="true" onDragStart={(event) => { event.dataTransfer.effectAllowed = "move"; event.dataTransfer.setData("text/plain", rule.name); setDragged(at); }} onDragEnd={() => { setDragged(null); setOver(null); }}><GripVerticalIcon /></span>
                    <h3 className="postern-rule-name postern-break">{title}</h3>
                    {rule.action.decide ? <Label isCompact>{String(rule.action.decide)}</Label> : null}
                    <Checkbox id={`${path}-enabled`} label={w.on} aria-label={`${w.on}: ${rule.name}`} isChecked={rule.enabled} onChange={(_, on) => change(at, { ...rule, enabled: on })} />
                    <span className="postern-rule-acts">
                      <Button variant="plain" size="sm" data-move="up" aria-label={`${w.up}: ${rule.name}`} icon={<ArrowUpIcon />} isDisabled={at === 0} onClick={() => move(at, at - 1, "up")} />
                      <Button variant="plain" size="sm" data-move="down" aria-label={`${w.down}: ${rule.name}`} icon={<ArrowDownIcon />} isDisabled={at === rules.length - 1} onClick={() => move(at, at + 1, "down")} />
                      <Button variant="link" size="sm" aria-expanded={open === at} aria-label={`${open === at ? w.close : w.edit}: ${rule.name}`} onClick={() => setOpen(open === at ? null : at)}>{open === at ? w.close : w.edit}</Button>
                      <Button variant="link" size="sm" aria-label={`${w.copy}: ${rule.name}`} onClick={() => insert({ ...structuredClone(rule), name: fresh(names, (n) => w.copyOf.replace("{name}", n > 1 ? `${rule.name} ${n}` : rule.name)) }, at + 1)}>{w.copy}</Button>
                      <Button variant="link" size="sm" isDanger aria-label={`${w.remove}: ${rule.name}`} onClick={() => { set({ ...draft, rules: rules.filter((_, n) => n !== at) }); setOpen(null); }}>{w.remove}</Button>
                    </span>
                  </div>
                  {fault.length > 0 && <div role="alert" className="postern-fault">{fault.map(([p, m]) => <div key={p}><code>{p.slice(path.length + 1)}</code> {m}</div>)}</div>}
                  {rule.comment && <p className="postern-soft postern-break">{rule.comment}</p>}
                  <p className="postern-break"><strong>{w.if}</strong> {asks.join("; ") || w.every}{not.length > 0 && <> <strong>{w.unless}</strong> {not.join("; ")}</>}</p>
                  <p className="postern-break"><strong>{w.then}</strong> {said(rule.action).filter((s) => !s.startsWith("then:")).join("; ") || w.nothing}{(rule.action.then === "stop" || (!rule.action.then && Boolean(rule.action.decide))) && `; ${w.stops}`}</p>
                  {open === at && <Editor path={path} rule={rule} set={(r) => change(at, r)} schema={ruleSchema} root={root} faults={faults} />}
                </CardBody>
              </Card>
            </li>
          );
        })}
      </ol>
      <p className="postern-unseen" aria-live="polite">{news}</p>
      <Button variant="secondary" onClick={() => insert(empty(), rules.length)}>{w.add}</Button>
    </>
  );
}
