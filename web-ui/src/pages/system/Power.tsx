import { ActionList, ActionListItem, Button, Card, CardBody, CardTitle, Content } from "@patternfly/react-core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { api } from "../../api/client";
import { useWords } from "../../i18n";
import { Ask, type Question } from "../../parts/Ask";
import { useAct } from "../../parts/Said";
import { words } from "./words";

type Order = "reboot" | "power-off" | "roll-back" | "factory-reset";
/** What the API wants to read before it forgets everything. */
const CONFIRM = "RESET";

export function Power() {
  const w = useWords(words);
  const queries = useQueryClient();
  const [question, setQuestion] = useState<Question | null>(null);
  const orders: Record<Order, { button: string; title: string; text: string; said: string; danger: boolean }> = {
    reboot: { button: w.reboot, title: w.rebootAsk, text: w.rebootText, said: w.rebootSaid, danger: false },
    "power-off": { button: w.powerOff, title: w.powerOffAsk, text: w.powerOffText, said: w.powerOffSaid, danger: true },
    "roll-back": { button: w.rollBack, title: w.rollBackAsk, text: w.rollBackText, said: w.rollBackSaid, danger: false },
    "factory-reset": { button: w.reset, title: w.resetAsk, text: w.resetText, said: w.resetSaid, danger: true },
  };
  const act = useAct((order: Order) => api("POST", `/system/${order}`, order === "factory-reset" ? { confirm: CONFIRM } : undefined), async (_, order) => {
    await queries.invalidateQueries({ queryKey: ["system"] });
    return orders[order].said;
  });
  const ask = (order: Order) => setQuestion({ ...orders[order], ...(order === "factory-reset" ? { typed: CONFIRM } : {}), act: () => act.mutate(order) });
  return (
    <Card>
      <CardTitle component="h2">{w.power}</CardTitle>
      <CardBody>
        <ActionList className="postern-wrap postern-gap">
          {(Object.keys(orders) as Order[]).map((order) => <ActionListItem key={order}><Button variant="secondary" isDanger={orders[order].danger} isDisabled={act.isPending} onClick={() => ask(order)}>{orders[order].button}</Button></ActionListItem>)}
          <ActionListItem><Button component="a" variant="link" href="/api/v1/system/support-bundle" download="postern-support.txt">{w.bundle}</Button></ActionListItem>
        </ActionList>
        <Content component="p" className="postern-soft">{w.bundle}: {w.bundleText}</Content>
      </CardBody>
      <Ask question={question} close={() => setQuestion(null)} />
    </Card>
  );
}
