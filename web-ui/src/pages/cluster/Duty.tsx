import { ActionList, ActionListItem, Button, Card, CardBody, CardTitle, Spinner } from "@patternfly/react-core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { api, type Schemas } from "../../api/client";
import { useTongue, useWords } from "../../i18n";
import { Ask, type Question } from "../../parts/Ask";
import { Facts } from "../../parts/Facts";
import { Failure } from "../../parts/Failure";
import { Mark } from "../../parts/Marks";
import { May } from "../../parts/May";
import { useAct } from "../../parts/Said";
import { words } from "./words";

/** Whether this node takes mail; drain and resume. A member can leave here, too. */
export function Duty({ member }: { member?: boolean }) {
  const w = useWords(words);
  const { words: common, number } = useTongue();
  const queries = useQueryClient();
  const [question, setQuestion] = useState<Question | null>(null);
  const duty = useQuery({ queryKey: ["duty"], queryFn: () => api<Schemas["DutyView"]>("GET", "/node/duty"), refetchInterval: 3000 });
  const act = useAct((what: "drain" | "resume") => api<Schemas["DutyView"]>("POST", `/node/${what}`), async (now, what) => {
    queries.setQueryData(["duty"], now);
    await queries.invalidateQueries({ queryKey: ["cluster"] });
    return what === "drain" ? w.drainSaid : w.resumeSaid;
  });
  const leave = useAct(() => api<Schemas["Left"]>("POST", "/cluster/leave"), async (left) => {
    await queries.invalidateQueries();
    return w.leftSaid.replace("{path}", () => left.kept_as);
  });
  return (
    <Card>
      <CardTitle component="h2">{w.dutyTitle}</CardTitle>
      <CardBody>
        {duty.isPending ? <Spinner aria-label={common.loading} /> : !duty.data ? <Failure error={duty.error ?? new Error()} again={() => void duty.refetch()} /> : (
          <>
            <Facts of={[[w.duty, <Mark key="duty" word={duty.data.duty} />], [w.sessions, number(duty.data.sessions)], [w.queued, number(duty.data.queued)], [w.safe, duty.data.safe_to_power_off ? w.yes : w.no], [w.waitsFor, duty.data.waits_for.join("; ")]]} />
            <ActionList className="postern-above postern-wrap">
              <May ask="POST /node/drain">
                <ActionListItem>
                  {duty.data.duty === "serving"
                    ? <Button variant="secondary" isDisabled={act.isPending} onClick={() => setQuestion({ title: w.drainAsk, text: w.drainText, button: w.drain, act: () => act.mutate("drain") })}>{w.drain}</Button>
                    : <Button variant="secondary" isDisabled={act.isPending} onClick={() => act.mutate("resume")}>{w.resume}</Button>}
                </ActionListItem>
              </May>
              {member && <May ask="POST /cluster/leave"><ActionListItem><Button variant="link" isDanger isDisabled={leave.isPending} onClick={() => setQuestion({ title: w.leaveAsk, text: w.leaveText, button: w.leave, danger: true, act: () => leave.mutate(undefined) })}>{w.leave}</Button></ActionListItem></May>}
            </ActionList>
          </>
        )}
      </CardBody>
      <Ask question={question} close={() => setQuestion(null)} />
    </Card>
  );
}
