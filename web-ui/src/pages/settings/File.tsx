import { ActionList, ActionListItem, Alert, Button, Card, CardBody, Content, Form, FormGroup, List, ListItem, TextArea, TextInput } from "@patternfly/react-core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { asking, Refused, upload, type Schemas } from "../../api/client";
import { useWords } from "../../i18n";
import { Failure } from "../../parts/Failure";
import { May } from "../../parts/May";
import { useAct, useSay } from "../../parts/Said";
import { words } from "./words";

/** The whole file, for those who know it. `view` is what it was made from: a change of somebody else is not overwritten. */
export function SettingsFile({ view }: { view: Schemas["SettingsView"] }) {
  const w = useWords(words);
  const queries = useQueryClient();
  const say = useSay();
  const [from] = useState(view);
  const [text, setText] = useState(from.text);
  const [message, setMessage] = useState("");
  const [checked, setChecked] = useState<Schemas["Checked"] | null>(null);
  const [refused, setRefused] = useState<Error | null>(null);
  const check = useAct(() => upload<Schemas["Checked"]>("POST", "/settings/check", "application/toml", text), setChecked);
  const save = useAct(() => {
    setRefused(null);
    return upload<Schemas["SettingsChange"]>("PUT", asking("/settings", { message: message.trim() }), "application/toml", text, { "if-match": `"${from.digest}"` });
  }, async ({ changed, restart_needed: restart }) => {
    await queries.invalidateQueries({ predicate: (q) => ["settings", "settings-history", "cluster-history"].includes(String(q.queryKey[0])) });
    if (restart.length) say(w.restart.replace("{what}", restart.join(", ")));
    return changed ? w.savedSaid : w.sameSaid;
  }, "shown");
  return (
    <Card>
      <CardBody>
        <Content component="p" className="postern-soft">{w.fileText}</Content>
        <Form onSubmit={(event) => { event.preventDefault(); save.mutate(undefined, { onError: setRefused }); }}>
          <TextArea aria-label={w.file} className="postern-file" rows={28} resizeOrientation="vertical" spellCheck={false} value={text} onChange={(_, v) => { setText(v); setChecked(null); }} />
          {checked && (checked.good ? <Alert component="p" isInline variant="success" title={w.good} /> : (
            <div role="alert"><Alert component="p" isInline variant="danger" title={w.bad}><List isPlain>{checked.problems.map((p) => <ListItem key={p.path + p.message}><code>{p.path}</code> {p.message}</ListItem>)}</List></Alert></div>
          ))}
          {refused && <Failure error={refused instanceof Refused && refused.status === 412 ? new Refused(412, w.stale) : refused} />}
          <May ask="PUT /settings">
            <FormGroup label={w.message} fieldId="file-message"><TextInput id="file-message" autoComplete="off" placeholder={w.messageHint} value={message} onChange={(_, v) => setMessage(v)} /></FormGroup>
            <ActionList>
              <ActionListItem><Button type="submit" isDisabled={text === view.text || save.isPending} isLoading={save.isPending}>{w.save}</Button></ActionListItem>
              <ActionListItem><Button variant="secondary" isDisabled={check.isPending} onClick={() => check.mutate(undefined)}>{w.check}</Button></ActionListItem>
            </ActionList>
          </May>
        </Form>
      </CardBody>
    </Card>
  );
}
