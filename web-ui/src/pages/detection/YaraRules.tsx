import { Alert, Button, Card, CardBody, CardTitle, Content, List, ListItem, Skeleton } from "@patternfly/react-core";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { api, type Schemas } from "../../api/client";
import { useTongue, useWords } from "../../i18n";
import { Ask, type Question } from "../../parts/Ask";
import { Facts } from "../../parts/Facts";
import { Failure } from "../../parts/Failure";
import { Listing, type Column } from "../../parts/Listing";
import { May } from "../../parts/May";
import { useAct } from "../../parts/Said";
import { load, put, textsOf, useLoadAnew, type RuleText } from "./texts";
import { words } from "./words";
import { Problems, YaraEditor } from "./YaraEditor";

/** The admin's YARA rules: what is in force on this node, and the texts of the settings. */
export function YaraRules() {
  const w = useWords(words);
  const { number } = useTongue();
  const loadAnew = useLoadAnew();
  const [open, setOpen] = useState<RuleText | "new" | null>(null);
  const [question, setQuestion] = useState<Question | null>(null);
  const state = useQuery({ queryKey: ["sandbox-rules"], queryFn: () => api<Schemas["RulesView"]>("GET", "/sandbox/rules"), refetchInterval: 3000 });
  // Asked anew when somebody has changed them.
  const view = useQuery({ queryKey: ["settings", state.data?.digest], queryFn: load, refetchOnMount: "always", refetchOnWindowFocus: false, placeholderData: keepPreviousData });
  const remove = useAct(async (name: string) => {
    if (!view.data) return;
    try {
      await put(view.data, textsOf(view.data).filter((t) => t.name !== name));
    } finally {
      await loadAnew();
    }
  }, (_, name) => w.removedSaid.replace("{name}", name));
  const ask = ({ name }: RuleText) => setQuestion({ title: w.removeAsk, text: w.removeText.replace("{name}", name), button: w.remove, danger: true, act: () => remove.mutate(name) });
  const columns: Column<RuleText>[] = [
    { name: w.name, kind: "text", show: (t) => <code>{t.name}</code> },
    { name: w.lines, kind: "number", show: (t) => number(t.text.trimEnd().split("\n").length) },
    { name: w.acts, kind: "acts", show: (t) => (
      <May ask="PATCH /settings">
        <Button variant="link" size="sm" aria-label={`${w.edit}: ${t.name}`} onClick={() => setOpen(t)}>{w.edit}</Button>
        <Button variant="link" size="sm" isDanger isDisabled={remove.isPending} aria-label={`${w.remove}: ${t.name}`} onClick={() => ask(t)}>{w.remove}</Button>
      </May>
    ) },
  ];
  return (
    <Card>
      <CardTitle component="h2">{w.yara}</CardTitle>
      <CardBody>
        <Content component="p" className="postern-soft">{w.yaraText}</Content>
        <div aria-live="polite">
          {state.data ? <State of={state.data} /> : state.error ? <Failure error={state.error} again={() => void state.refetch()} /> : <Skeleton height="2rem" />}
        </div>
        <Listing label={w.texts} columns={columns} rows={view.data ? textsOf(view.data) : []} id={(t) => t.name} asked={view} empty={w.noTexts} />
        <May ask="PATCH /settings"><Button variant="secondary" className="postern-above" isDisabled={!view.data} onClick={() => setOpen("new")}>{w.add}</Button></May>
      </CardBody>
      {open && view.data && <YaraEditor of={open === "new" ? null : open} view={view.data} close={() => setOpen(null)} />}
      <Ask question={question} close={() => setQuestion(null)} />
    </Card>
  );
}

function State({ of }: { of: Schemas["RulesView"] }) {
  const w = useWords(words);
  const { number, when } = useTongue();
  const { trouble, rules, since } = of;
  const value = (rules == null ? w.uncounted : w.inForceValue.replace("{rules}", number(rules))).replace("{files}", number(of.files));
  return (
    <>
      {!of.enabled && <Alert component="p" isInline variant="info" className="postern-gap" title={w.yaraOff} />}
      {trouble && (
        <Alert component="p" isInline className="postern-gap" variant={trouble.waiting ? "warning" : "danger"} title={trouble.waiting ? w.waiting : w.refused}>
          <List isPlain>
            <ListItem>{w.since.replace("{when}", when(trouble.at)).replace("{why}", () => trouble.why)}</ListItem>
          </List>
          <Problems of={trouble.problems} named />
        </Alert>
      )}
      <Facts of={[[w.inForce, since == null ? w.onlyOurs : value.replace("{when}", when(since))]]} />
    </>
  );
}
