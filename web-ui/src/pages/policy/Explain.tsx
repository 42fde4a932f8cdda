import { Button, Card, CardBody, CardTitle, Content, Form, FormGroup, FormSelect, FormSelectOption, List, ListItem, TextArea, TextInput } from "@patternfly/react-core";
import { useState } from "react";

import { asking, upload } from "../../api/client";
import { useTongue, useWords } from "../../i18n";
import { Failure } from "../../parts/Failure";
import { Mark } from "../../parts/Marks";
import { useAct } from "../../parts/Said";
import { words } from "./words";

interface Judged { field: string; outcome: string; evidence: string }
interface Tried { rule: string; outcome: string; conditions: Judged[]; effects: string[] }
interface Decision { recipient: string; action: string; reason: string; tried: Tried[] }
interface Explained { verdict: { action: string; reason: string; score: number }; decisions: Decision[]; outcome: string }

/** What the rules in force would make of a mail. */
export function Explain() {
  const w = useWords(words);
  const [mail, setMail] = useState("");
  const [how, setHow] = useState({ mail_from: "", recipients: "", client: "", direction: "inbound" });
  const [found, setFound] = useState<Explained | null>(null);
  const [refused, setRefused] = useState<Error | null>(null);
  // A mail that was pasted has the line ends of its form; the node reads both.
  const ask = useAct(() => {
    setRefused(null);
    return upload<Explained>("POST", asking("/policy/explain", how), "message/rfc822", mail);
  }, setFound, "shown");
  const text = (key: "mail_from" | "recipients" | "client", label: string) => (
    <FormGroup label={label} fieldId={`explain-${key}`} isRequired={key === "recipients"}><TextInput id={`explain-${key}`} autoComplete="off" spellCheck={false} value={how[key]} isRequired={key === "recipients"} onChange={(_, v) => setHow({ ...how, [key]: v.trim() })} /></FormGroup>
  );
  return (
    <>
      <Card className="postern-gap">
        <CardTitle component="h2">{w.explain}</CardTitle>
        <CardBody>
          <Content component="p" className="postern-soft">{w.explainText}</Content>
          <Form onSubmit={(event) => { event.preventDefault(); ask.mutate(undefined, { onError: setRefused }); }}>
            <FormGroup label={w.mail} fieldId="explain-mail">
              <label className="postern-gap" htmlFor="explain-file">{w.file}: <input id="explain-file" className="postern-file-choice" type="file" accept=".eml,message/rfc822" onChange={(event) => { void event.target.files?.[0]?.text().then(setMail); }} /></label>
              <TextArea id="explain-mail" className="postern-file" rows={10} resizeOrientation="vertical" spellCheck={false} value={mail} onChange={(_, v) => setMail(v)} />
            </FormGroup>
            {text("recipients", w.to)}
            {text("mail_from", w.from)}
            {text("client", w.client)}
            <FormGroup label={w.direction} fieldId="explain-direction"><FormSelect id="explain-direction" className="postern-short" value={how.direction} onChange={(_, v) => setHow({ ...how, direction: v })}><FormSelectOption value="inbound" label={w.inbound} /><FormSelectOption value="outbound" label={w.outbound} /></FormSelect></FormGroup>
            {refused && <Failure error={refused} />}
            <Button type="submit" isDisabled={!mail || !how.recipients || ask.isPending} isLoading={ask.isPending}>{w.ask}</Button>
          </Form>
        </CardBody>
      </Card>
      {found && <Answer of={found} />}
    </>
  );
}

function Answer({ of }: { of: Explained }) {
  const w = useWords(words);
  const { words: common, number } = useTongue();
  const marks: Record<string, string> = common.marks;
  const word = (outcome: string) => w.outcomes[outcome] ?? outcome;
  const { action, reason, score } = of.verdict;
  return (
    <Card>
      <CardTitle component="h2">{w.outcome}</CardTitle>
      <CardBody className="postern-fields" aria-live="polite">
        <p className="postern-break">{of.outcome}</p>
        <p className="postern-soft">{w.verdict.replace("{action}", marks[action] ?? action).replace("{reason}", reason).replace("{n}", number(score, 2))}</p>
        {of.decisions.map((decision) => (
          <section key={decision.recipient} aria-label={decision.recipient}>
            <h3 className="postern-part-title postern-break">{decision.recipient} <Mark word={decision.action} /> {decision.reason}</h3>
            <List isPlain isBordered>
              {decision.tried.map((tried) => (
                <ListItem key={tried.rule} className="postern-break">
                  <strong>{tried.rule}</strong>: {word(tried.outcome)}
                  {tried.conditions.map((c) => <div key={c.field} className="postern-soft"><code>{c.field}</code> {word(c.outcome)}: {c.evidence}</div>)}
                  {tried.effects.map((e) => <div key={e}>→ {e}</div>)}
                </ListItem>
              ))}
            </List>
          </section>
        ))}
      </CardBody>
    </Card>
  );
}
