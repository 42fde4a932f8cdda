import { Alert, Button, Card, CardBody, CardTitle, Content, Form, FormGroup, List, ListItem, TextInput } from "@patternfly/react-core";
import { useState } from "react";

import { api, type Schemas } from "../../api/client";
import { useTongue, useWords } from "../../i18n";
import { Failure } from "../../parts/Failure";
import { Listing, type Column } from "../../parts/Listing";
import { Mark } from "../../parts/Marks";
import { useAct } from "../../parts/Said";
import { to } from "../../route";
import type { Values } from "./draft";
import { words } from "./words";

type Found = Schemas["WhatIf"];
type Changed = Schemas["WhatIfChange"];
type Moved = Schemas["WhatIfMove"];
const READY = { isPending: false, isError: false, error: null, refetch: () => undefined };

/** The draft on the mails of the last days. */
export function WhatIf({ proposed }: { proposed: Values }) {
  const w = useWords(words);
  const [days, setDays] = useState("7");
  const [found, setFound] = useState<Found | null>(null);
  const [refused, setRefused] = useState<Error | null>(null);
  const run = useAct(() => {
    setRefused(null);
    return api<Found>("POST", "/policy/what-if", { policy: proposed, days: Number(days) });
  }, setFound, "shown");
  return (
    <Card>
      <CardTitle component="h2">{w.whatIf}</CardTitle>
      <CardBody className="postern-fields">
        <Content component="p" className="postern-soft">{w.whatIfText}</Content>
        <Form onSubmit={(event) => { event.preventDefault(); run.mutate(undefined, { onError: setRefused }); }}>
          <FormGroup label={w.days} fieldId="what-if-days"><TextInput id="what-if-days" className="postern-short" type="number" min={1} max={30} value={days} onChange={(_, v) => setDays(v)} /></FormGroup>
          {refused && <Failure error={refused} />}
          <Button type="submit" isDisabled={run.isPending || !Number(days)} isLoading={run.isPending}>{w.run}</Button>
        </Form>
        {found && <Answer of={found} />}
      </CardBody>
    </Card>
  );
}

function Answer({ of }: { of: Found }) {
  const w = useWords(words);
  const { number, moment } = useTongue();
  const moves: Column<Moved>[] = [
    { name: w.before, show: (m) => <Mark word={m.before} /> },
    { name: w.after, show: (m) => <Mark word={m.after} /> },
    { name: w.count, kind: "number", show: (m) => number(m.count) },
  ];
  const columns: Column<Changed>[] = [
    { name: w.time, kind: "time", show: (c) => moment(c.at) },
    { name: w.subject, kind: "text", show: (c) => <a href={to("tracking", c.mail)}>{c.subject || c.mail}</a> },
    { name: w.recipient, kind: "text", show: (c) => c.recipient },
    { name: w.before, show: (c) => <Mark word={c.before.action} /> },
    { name: w.after, kind: "text", show: (c) => <><Mark word={c.after.action} /> {c.after.effects.join("; ")}</> },
    { name: w.byRules, kind: "text", show: (c) => c.after.rules.join(", ") || "–" },
  ];
  return (
    <div className="postern-fields" aria-live="polite">
      <p><strong>{w.would.replace("{n}", number(of.changed))}</strong> {w.mails.replace("{n}", number(of.mails))}. {of.is_cut && w.cut}</p>
      {of.in_doubt > 0 && (
        <Alert component="p" isInline variant="warning" title={w.doubt.replace("{n}", number(of.in_doubt))}>
          <List isPlain>{of.not_judged.map((n) => <ListItem key={n.rule + n.field}>{n.rule}: <code>{n.field}</code></ListItem>)}</List>
        </Alert>
      )}
      {of.moves.length > 0 && <Listing label={w.count} columns={moves} rows={of.moves} id={(m) => m.before + m.after} asked={READY} empty={w.none} />}
      <Listing label={w.whatIf} columns={columns} rows={of.list} id={(c) => c.mail + c.recipient} asked={READY} empty={w.none} />
    </div>
  );
}
