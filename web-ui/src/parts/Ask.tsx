import { Button, Form, FormGroup, Modal, ModalBody, ModalFooter, ModalHeader, TextInput } from "@patternfly/react-core";
import { useState, type ReactNode } from "react";

import { useTongue } from "../i18n";

export interface Question {
  title: string;
  text: ReactNode;
  button: string;
  danger?: boolean;
  /** Must be written before the button works: for what cannot be taken back. */
  typed?: string;
  act: () => void;
}

/** Asks before something is done. */
export function Ask({ question, close }: { question: Question | null; close: () => void }) {
  return question && <Asking question={question} close={close} />;
}

function Asking({ question, close }: { question: Question; close: () => void }) {
  const { words } = useTongue();
  const [typed, setTyped] = useState("");
  const ready = question.typed === undefined || typed.trim() === question.typed;
  const go = () => {
    question.act();
    close();
  };
  return (
    <Modal isOpen variant="small" onClose={close} aria-labelledby="ask-title" aria-describedby="ask-text">
      <ModalHeader labelId="ask-title" title={question.title} {...(question.danger ? { titleIconVariant: "warning" as const } : {})} />
      <ModalBody id="ask-text">
        <Form onSubmit={(event) => { event.preventDefault(); if (ready) go(); }}>
          <div>{question.text}</div>
          {question.typed !== undefined && (
            <FormGroup label={words.typeToConfirm.replace("{word}", question.typed)} fieldId="ask-typed">
              <TextInput id="ask-typed" autoComplete="off" value={typed} onChange={(_, value) => setTyped(value)} />
            </FormGroup>
          )}
        </Form>
      </ModalBody>
      <ModalFooter>
        <Button variant={question.danger ? "danger" : "primary"} isDisabled={!ready} onClick={go}>{question.button}</Button>
        <Button variant="link" onClick={close}>{words.cancel}</Button>
      </ModalFooter>
    </Modal>
  );
}
