import { Alert, Card, CardBody, CardTitle, Label } from "@patternfly/react-core";

import type { System } from "../../api/shapes";
import { useTongue, useWords } from "../../i18n";
import { Facts } from "../../parts/Facts";
import { Listing, THERE } from "../../parts/Listing";
import { words } from "./words";

export function Health({ system }: { system: System }) {
  const w = useWords(words);
  const { number } = useTongue();
  return (
    <Card>
      <CardTitle component="h2">{w.health}</CardTitle>
      <CardBody>
        <Alert component="p" isInline variant={system.trouble ? "danger" : "success"} title={system.trouble ?? w.good} />
        <div className="postern-above">
          <Facts of={[[w.version, system.version], [w.medium, system.medium === "live" ? w.live : w.slot.replace("{name}", system.medium)], [w.firmware, system.firmware], [w.data, system.data], [w.guarded, system.guarded.join(", ")], [w.setUp, system.set_up]]} />
        </div>
      </CardBody>
      <CardTitle component="h3">{w.slots}</CardTitle>
      <CardBody>
        <Listing label={w.slots} rows={system.slots} id={(s) => s.name} asked={THERE} empty={w.noSlots} columns={[
          { name: w.slotName, show: (s) => s.name },
          { name: w.state, show: (s) => [s.running && w.running, s.wanted && w.wanted, s.on_trial && w.trial].filter((t): t is string => Boolean(t)).map((t) => <Label key={t} isCompact color={t === w.trial ? "yellow" : "green"}>{t}</Label>) },
          { name: w.tries, kind: "number", show: (s) => (s.tries_left === null ? w.emptySlot : number(s.tries_left)) }]} />
      </CardBody>
    </Card>
  );
}
