import { Alert, AlertActionLink, Button, Form, FormGroup, FormHelperText, HelperText, HelperTextItem, List, ListItem, Modal, ModalBody, ModalFooter, ModalHeader, TextArea, TextInput } from "@patternfly/react-core";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";

import { api, Refused, type Schemas } from "../../api/client";
import { useTongue, useWords } from "../../i18n";
import { Failure } from "../../parts/Failure";
import { May } from "../../parts/May";
import { useAct } from "../../parts/Said";
import { load, put, textsOf, useLoadAnew, type RuleText, type SettingsView } from "./texts";
import { words } from "./words";

/** One text of rules; `of`: null for a new one. */
export function YaraEditor({ of, view, close }: { of: RuleText | null; view: SettingsView; close: () => void }) {
  const w = useWords(words);
  const { words: common, number } = useTongue();
  const loadAnew = useLoadAnew();
  // Where it began: a change of somebody else since then is told, not overwritten.
  const [base, setBase] = useState(view);
  const [name, setName] = useState(of?.name ?? "");
  const [text, setText] = useState(of?.text ?? "");
  const [refused, setRefused] = useState<Error | null>(null);
  const isStale = refused instanceof Refused && refused.status === 412;
  const isFit = name.trim() !== "" && text.trim() !== "";
  const mine: RuleText = { name: name.trim(), text };
  const attempt = useMutation({ mutationFn: () => api<Schemas["RulesTried"]>("POST", "/sandbox/rules/try", { rules: [mine] }) });
  const write = (set: () => void) => {
    set();
    attempt.reset();
    if (!isStale) setRefused(null);
  };
  const save = useAct(() => {
    setRefused(null);
    const texts = textsOf(base);
    const isThere = of !== null && texts.some((t) => t.name === of.name);
    return put(base, isThere ? texts.map((t) => (t.name === of.name ? mine : t)) : [...texts, mine]);
  }, async () => {
    await loadAnew();
    close();
    return w.rulesSavedSaid;
  }, "shown");
  const present = async () => {
    setBase(await load());
    setRefused(null);
    await loadAnew();
  };
  return (
    <Modal isOpen variant="large" onClose={close} aria-labelledby="yara-title">
      <ModalHeader labelId="yara-title" title={of ? w.editing.replace("{name}", of.name) : w.adding} />
      <ModalBody>
        <Form id="yara-form" onSubmit={(event) => { event.preventDefault(); if (isFit) save.mutate(undefined, { onError: setRefused }); }}>
          <FormGroup label={w.name} fieldId="yara-name">
            <TextInput id="yara-name" className="postern-short" autoComplete="off" spellCheck={false} value={name} aria-describedby="yara-name-help" onChange={(_, v) => write(() => setName(v))} />
            <FormHelperText><HelperText id="yara-name-help"><HelperTextItem>{w.nameHelp}</HelperTextItem></HelperText></FormHelperText>
          </FormGroup>
          <FormGroup label={w.ruleText} fieldId="yara-text" className="postern-file">
            <TextArea id="yara-text" rows={16} resizeOrientation="vertical" spellCheck={false} value={text} onChange={(_, v) => write(() => setText(v))} />
          </FormGroup>
          <div aria-live="polite">
            {attempt.data && <Alert component="p" isInline variant={attempt.data.good ? "success" : "danger"} title={attempt.data.good ? w.good.replace("{rules}", number(attempt.data.rules)) : w.hasErrors}><Problems of={attempt.data.problems} /></Alert>}
          </div>
          {attempt.error && <Failure error={attempt.error} />}
          {isStale && <Alert component="p" isInline variant="warning" title={w.rulesStale} actionLinks={<AlertActionLink onClick={() => void present()}>{w.loadRules}</AlertActionLink>} />}
          {refused && !isStale && <Failure error={refused} />}
        </Form>
      </ModalBody>
      <ModalFooter>
        <Button type="submit" form="yara-form" isDisabled={!isFit || isStale || save.isPending} isLoading={save.isPending}>{common.save}</Button>
        <May ask="POST /sandbox/rules/try"><Button variant="secondary" isDisabled={!isFit || attempt.isPending} isLoading={attempt.isPending} onClick={() => attempt.mutate()}>{w.tryDo}</Button></May>
        <Button variant="link" onClick={close}>{common.cancel}</Button>
      </ModalFooter>
    </Modal>
  );
}

/** Errors and warnings by their lines; `named`: and by the text or file that they are in. */
export function Problems({ of, named }: { of: Schemas["RuleProblemView"][]; named?: true }) {
  const w = useWords(words);
  const { number } = useTongue();
  if (of.length === 0) return null;
  const kinds: Record<string, string> = { error: w.error, warning: w.warning };
  return (
    <List isPlain>
      {of.map((p, at) => <ListItem key={at} className="postern-break">{named && <><code>{p.file}</code>, </>}{p.line ? w.line.replace("{line}", number(p.line)) : w.whole}: {kinds[p.severity] ?? p.severity}: {p.text}</ListItem>)}
    </List>
  );
}
