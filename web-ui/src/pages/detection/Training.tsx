import { ActionList, ActionListItem, Button, Card, CardBody, CardTitle, Content, Form, FormGroup } from "@patternfly/react-core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { api, upload, type Status } from "../../api/client";
import { useTongue, useWords } from "../../i18n";
import { May } from "../../parts/May";
import { useAct } from "../../parts/Said";
import { words } from "./words";

/** What the classifier knows, and a mail for it to learn. */
export function Training() {
  const w = useWords(words);
  const { number } = useTongue();
  const queries = useQueryClient();
  const [mail, setMail] = useState<File | null>(null);
  // Another file after this one was learned: the field is made anew.
  const [turn, setTurn] = useState(0);
  const status = useQuery({ queryKey: ["status"], queryFn: () => api<Status>("GET", "/status") });
  const learned = status.data?.learned;
  const learn = useAct((kind: "spam" | "ham") => upload("POST", `/learn/${kind}`, "message/rfc822", mail ?? ""), async () => {
    setMail(null);
    setTurn(turn + 1);
    await queries.invalidateQueries({ queryKey: ["status"] });
    return w.learnedSaid;
  });
  return (
    <Card>
      <CardTitle component="h2">{w.training}</CardTitle>
      <CardBody>
        {learned && <Content component="p">{w.trained.replace("{spam}", number(learned.spam)).replace("{ham}", number(learned.ham))}</Content>}
        <May ask="POST /learn/{kind}">
          <Content component="p" className="postern-soft">{w.trainText}</Content>
          <Form aria-label={w.training} className="postern-fields" onSubmit={(event) => event.preventDefault()}>
            <FormGroup label={w.file} fieldId="learn-file"><input key={turn} id="learn-file" type="file" accept=".eml,message/rfc822" onChange={(event) => setMail(event.target.files?.[0] ?? null)} /></FormGroup>
            <ActionList className="postern-wrap">
              <ActionListItem><Button variant="secondary" isDisabled={!mail || learn.isPending} onClick={() => learn.mutate("spam")}>{w.learnSpam}</Button></ActionListItem>
              <ActionListItem><Button variant="secondary" isDisabled={!mail || learn.isPending} onClick={() => learn.mutate("ham")}>{w.learnHam}</Button></ActionListItem>
            </ActionList>
          </Form>
        </May>
      </CardBody>
    </Card>
  );
}
