import { Button, Form, FormGroup, FormHelperText, HelperText, HelperTextItem, Modal, ModalBody, ModalFooter, ModalHeader, TextInput, Toolbar, ToolbarContent, ToolbarItem } from "@patternfly/react-core";
import { useQueryClient } from "@tanstack/react-query";
import { useState, type ReactNode } from "react";

import { api, type Schemas } from "../../api/client";
import { useTongue, useWords } from "../../i18n";
import { Ask, type Question } from "../../parts/Ask";
import { useAct, useSay } from "../../parts/Said";
import { words } from "./words";

/** Which mails: the filter of the API. */
export type Filter = Record<string, string | boolean | string[]>;
type Order = "retry" | "hold" | "release" | "return" | "delete" | "reroute";

/** What can be done with mails of the queue. `count`: how many the filter means. */
export function Orders({ filter, count, done, children }: { filter: Filter; count: number; done: () => void; children?: ReactNode }) {
  const w = useWords(words);
  const { number } = useTongue();
  const queries = useQueryClient();
  const say = useSay();
  const [question, setQuestion] = useState<Question | null>(null);
  const [asksHop, setAsksHop] = useState(false);
  const act = useAct(({ order, to }: { order: Order; to?: string | null }) => api<Schemas["Done"]>("POST", `/queue/${order}`, order === "reroute" ? { filter, to } : { filter }), async ({ changed, busy, unfit }) => {
    done();
    await queries.invalidateQueries({ predicate: (q) => ["queue", "journey", "status"].includes(String(q.queryKey[0])) });
    const left = [busy ? w.busy.replace("{n}", number(busy)) : "", unfit ? w.unfit.replace("{n}", number(unfit)) : ""].filter(Boolean).join(" ");
    if (left && !changed) say(left, "bad");
    return changed ? `${w.done.replace("{n}", number(changed))} ${left}`.trim() : undefined;
  });
  const what = count === 1 ? w.one : w.many.replace("{n}", number(count));
  const dangerous = (order: "return" | "delete") => () => setQuestion({
    title: (order === "return" ? w.returnAsk : w.deleteAsk).replace("{n}", what), text: order === "return" ? w.returnText : w.deleteText, button: w[order], danger: true, act: () => act.mutate({ order }) });
  const off = count === 0 || act.isPending;
  return (
    <>
      <Toolbar>
        <ToolbarContent rowWrap={{ default: "wrap" }}>
          {children}
          {(["retry", "hold", "release"] as const).map((order) => <ToolbarItem key={order}><Button variant="secondary" size="sm" isDisabled={off} onClick={() => act.mutate({ order })}>{w[order]}</Button></ToolbarItem>)}
          <ToolbarItem><Button variant="secondary" size="sm" isDisabled={off} onClick={() => setAsksHop(true)}>{w.reroute}</Button></ToolbarItem>
          {(["return", "delete"] as const).map((order) => <ToolbarItem key={order}><Button variant="secondary" size="sm" isDanger isDisabled={off} onClick={dangerous(order)}>{w[order]}</Button></ToolbarItem>)}
        </ToolbarContent>
      </Toolbar>
      <Ask question={question} close={() => setQuestion(null)} />
      {asksHop && <AsksHop title={w.rerouteAsk.replace("{n}", what)} close={() => setAsksHop(false)} go={(to) => act.mutate({ order: "reroute", to })} />}
    </>
  );
}

function AsksHop({ title, close, go }: { title: string; close: () => void; go: (to: string | null) => void }) {
  const w = useWords(words);
  const { words: common } = useTongue();
  const [hop, setHop] = useState("");
  const send = () => {
    go(hop.trim() || null);
    close();
  };
  return (
    <Modal isOpen variant="small" onClose={close} aria-labelledby="hop-title">
      <ModalHeader labelId="hop-title" title={title} />
      <ModalBody>
        <Form onSubmit={(event) => { event.preventDefault(); send(); }}>
          <FormGroup label={w.hop} fieldId="hop">
            <TextInput id="hop" autoComplete="off" value={hop} onChange={(_, v) => setHop(v)} />
            <FormHelperText><HelperText><HelperTextItem>{w.hopHint}</HelperTextItem></HelperText></FormHelperText>
          </FormGroup>
        </Form>
      </ModalBody>
      <ModalFooter><Button onClick={send}>{w.reroute}</Button><Button variant="link" onClick={close}>{common.cancel}</Button></ModalFooter>
    </Modal>
  );
}
