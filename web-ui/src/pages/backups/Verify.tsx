import { Alert, Button, Form, FormGroup, FormHelperText, HelperText, HelperTextItem, Modal, ModalBody, ModalFooter, ModalHeader, Spinner, TextInput } from "@patternfly/react-core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { api, type Schemas } from "../../api/client";
import { useTongue, useWords } from "../../i18n";
import { useAct } from "../../parts/Said";
import { words } from "./words";

/** Reads a backup as a restore would: asks for its key, and says how it went. */
export function Verify({ chosen, close, lock }: { chosen: string | null; close: () => void; lock: string }) {
  const w = useWords(words);
  const { number, octets } = useTongue();
  const queries = useQueryClient();
  const view = useQuery({ queryKey: ["backup-verify"], queryFn: () => api<Schemas["VerifyView"]>("GET", "/backups/verify"), refetchInterval: (query) => (query.state.data?.stage === "reading" ? 1000 : false) });
  const verify = useAct((key: string) => api("POST", "/backups/verify", { backup: chosen, ...(key.startsWith("AGE-SECRET-KEY-") ? { identity: key } : key ? { passphrase: key } : {}) }), async () => {
    close();
    await queries.invalidateQueries({ queryKey: ["backup-verify"] });
  });
  const it = view.data;
  return (
    <>
      <div aria-live="polite" className="postern-gap">
        {it?.stage === "reading" && <Alert component="p" isInline variant="info" customIcon={<Spinner size="md" aria-hidden="true" />} title={w.reading.replace("{name}", () => it.backup).replace("{files}", number(it.files))} />}
        {it?.stage === "bad" && <Alert component="p" isInline variant="danger" title={w.bad.replace("{name}", () => it.backup)}>{it.why}</Alert>}
        {it?.stage === "good" && (
          <Alert component="p" isInline variant="success" title={w.good.replace("{name}", () => it.backup)}>
            {it.contents && w.contents.replace("{node}", () => it.contents?.node ?? "").replace("{files}", number(it.files)).replace("{octets}", octets(it.contents.octets)).replace("{version}", () => it.contents?.version ?? "")}
            {it.contents && it.contents.left_out.length > 0 && <div>{w.notIn}: {it.contents.left_out.map((l) => `${l.what} (${l.why})`).join("; ")}</div>}
          </Alert>
        )}
      </div>
      {chosen && <Key key={chosen} name={chosen} lock={lock} busy={verify.isPending} act={(key) => verify.mutate(key)} close={close} />}
    </>
  );
}

function Key({ name, lock, busy, act, close }: { name: string; lock: string; busy: boolean; act: (key: string) => void; close: () => void }) {
  const w = useWords(words);
  const { words: common } = useTongue();
  const [key, setKey] = useState("");
  const isKnown = lock === "passphrase";
  const ready = (isKnown || key.trim() !== "") && !busy;
  return (
    <Modal isOpen variant="small" onClose={close} aria-labelledby="verify-title" aria-describedby="verify-text">
      <ModalHeader labelId="verify-title" title={w.verify} />
      <ModalBody id="verify-text">
        <p className="postern-gap postern-break">{name}</p>
        <p className="postern-gap">{w.verifyText}</p>
        <Form id="verify-form" onSubmit={(event) => { event.preventDefault(); if (ready) act(key.trim()); }}>
          <FormGroup label={w.key} fieldId="verify-key">
            <TextInput id="verify-key" type="password" autoComplete="off" spellCheck={false} value={key} onChange={(_, v) => setKey(v)} />
            <FormHelperText><HelperText><HelperTextItem>{isKnown ? w.keyKnown : w.keyHint}</HelperTextItem></HelperText></FormHelperText>
          </FormGroup>
        </Form>
      </ModalBody>
      <ModalFooter>
        <Button type="submit" form="verify-form" isDisabled={!ready} isLoading={busy}>{w.verify}</Button>
        <Button variant="link" onClick={close}>{common.cancel}</Button>
      </ModalFooter>
    </Modal>
  );
}
