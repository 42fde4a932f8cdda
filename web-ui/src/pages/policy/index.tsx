import { ActionList, ActionListItem, Alert, AlertActionLink, Button, Form, FormGroup, PageSection, Spinner, TextInput, ToggleGroup, ToggleGroupItem } from "@patternfly/react-core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { api, Refused, type Schemas } from "../../api/client";
import { useMay } from "../../api/may";
import { useTongue, useWords } from "../../i18n";
import { Failure } from "../../parts/Failure";
import { Head } from "../../parts/Head";
import { MayChange } from "../../parts/May";
import { useAct } from "../../parts/Said";
import { go, to, usePlace } from "../../route";
import { at, same, type Schema } from "../settings/schema";
import { sent, type Policy } from "./draft";
import { Explain } from "./Explain";
import { History } from "./History";
import { Lists } from "./Lists";
import { Rules } from "./Rules";
import { WhatIf } from "./WhatIf";
import { words } from "./words";

type View = Schemas["PolicyView"];
const TABS = ["rules", "lists", "explain", "what-if", "history"] as const;

const load = () => api<View>("GET", "/policy");

export default function PolicyPage() {
  const w = useWords(words);
  const { words: common } = useTongue();
  const { item } = usePlace();
  const schema = useQuery({ queryKey: ["settings-schema"], queryFn: () => api<Schema>("GET", "/settings/schema"), staleTime: Infinity });
  const view = useQuery({ queryKey: ["policy"], queryFn: load, refetchOnMount: "always", refetchOnWindowFocus: false });
  const may = useMay();
  const shown = TABS.filter((t) => (t !== "explain" || may("POST /policy/explain")) && (t !== "what-if" || may("POST /policy/what-if")));
  const tab = shown.find((t) => t === item) ?? "rules";
  const names = { rules: w.rules, lists: w.lists, explain: w.explain, "what-if": w.whatIf, history: w.history };
  const error = view.error ?? schema.error;
  const tabs = (
    <ToggleGroup aria-label={w.title} className="postern-wrap">
      {shown.map((name) => <ToggleGroupItem key={name} text={names[name]} buttonId={`policy-${name}`} isSelected={tab === name} onChange={() => go(to("policy", name === "rules" ? "" : name))} />)}
    </ToggleGroup>
  );
  return (
    <>
      <Head title={w.title} text={w.text}>{tabs}</Head>
      <PageSection>
        {!view.data || !schema.data || !view.isFetchedAfterMount
          ? (error ? <Failure error={error} again={() => { void view.refetch(); void schema.refetch(); }} /> : <Spinner aria-label={common.loading} />)
          : <Draft view={view.data} root={schema.data} tab={tab} />}
      </PageSection>
    </>
  );
}

/** What is edited stays while one looks at the other tabs; nothing of it is in force before it is saved. */
function Draft({ view, root, tab }: { view: View; root: Schema; tab: (typeof TABS)[number] }) {
  const w = useWords(words);
  const queries = useQueryClient();
  const may = useMay();
  const schema = at(root, "policy");
  // Where the draft began: a change of somebody else since then is told, not overwritten.
  const [base, setBase] = useState(view);
  const [draft, setDraft] = useState<Policy | null>(null);
  const [message, setMessage] = useState("");
  const [refused, setRefused] = useState<Error | null>(null);
  if (!draft && base !== view) setBase(view);
  const stored = base.policy as unknown as Policy;
  const now = draft ?? stored;
  const isChanged = draft !== null && !same(sent(draft, schema, root), sent(stored, schema, root));
  const faults = new Map(refused instanceof Refused ? refused.faults.map((f) => [f.path, f.message]) : []);
  const isStale = refused instanceof Refused && refused.status === 412;
  const drop = () => {
    setDraft(null);
    setRefused(null);
    void queries.invalidateQueries({ queryKey: ["policy"] });
  };
  const put = (digest: string) => api<Schemas["SettingsChange"]>("PUT", "/policy", { policy: sent(now, schema, root), message: message.trim() }, { "if-match": `"${digest}"` });
  const save = useAct(async () => {
    setRefused(null);
    try {
      return await put(base.digest);
    } catch (error) {
      if (!(error instanceof Refused) || error.status !== 412) throw error;
      // Another setting changed, and no rule: nothing of anybody's is overwritten.
      const present = await load();
      if (!same(present.policy, base.policy)) throw error;
      return put(present.digest);
    }
  }, async ({ changed }) => {
    setDraft(null);
    setMessage("");
    await queries.invalidateQueries({ predicate: (q) => ["policy", "policy-history", "settings", "settings-history", "cluster-history"].includes(String(q.queryKey[0])) });
    return changed ? w.saved : w.sameSaid;
  }, "shown");
  const edits = { draft: now, set: (next: Policy) => { setDraft(next); if (!isStale) setRefused(null); }, schema, root, faults };
  return (
    <>
      {tab === "rules" && <MayChange ask="PUT /policy"><Rules {...edits} /></MayChange>}
      {tab === "lists" && <MayChange ask="PUT /policy"><Lists {...edits} /></MayChange>}
      {tab === "explain" && <Explain />}
      {tab === "what-if" && <WhatIf proposed={sent(now, schema, root)} />}
      {tab === "history" && <History />}
      {may("PUT /policy") && (tab === "rules" || tab === "lists" || isChanged) && tab !== "explain" && tab !== "history" && (
        <Form className="postern-savebar postern-above" onSubmit={(event) => { event.preventDefault(); if (isChanged) save.mutate(undefined, { onError: setRefused }); }}>
          {isStale && <Alert component="p" isInline variant="warning" title={w.stale} actionLinks={<AlertActionLink onClick={drop}>{w.load}</AlertActionLink>} />}
          {refused && !isStale && <Failure error={refused} />}
          <FormGroup label={w.message} fieldId="policy-message"><TextInput id="policy-message" autoComplete="off" placeholder={w.messageHint} value={message} onChange={(_, v) => setMessage(v)} /></FormGroup>
          <ActionList className="postern-wrap">
            <ActionListItem><Button type="submit" isDisabled={!isChanged || save.isPending} isLoading={save.isPending}>{w.save}</Button></ActionListItem>
            {tab !== "what-if" && <ActionListItem><Button variant="secondary" onClick={() => go(to("policy", "what-if"))}>{w.try}</Button></ActionListItem>}
            <ActionListItem><Button variant="link" isDisabled={!isChanged} onClick={drop}>{w.discard}</Button></ActionListItem>
            <ActionListItem><span aria-live="polite">{isChanged ? w.changed : w.same}</span></ActionListItem>
          </ActionList>
        </Form>
      )}
    </>
  );
}
