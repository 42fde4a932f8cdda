import { Alert, Card, CardBody, CardTitle, Content } from "@patternfly/react-core";

import type { Edge } from "../../api/shapes";
import { useTongue, useWords } from "../../i18n";
import { Listing, THERE } from "../../parts/Listing";
import { Mark } from "../../parts/Marks";
import { words } from "./words";

/** Who serves the virtual addresses, as this node's edge has it. */
export function Ring({ of }: { of: NonNullable<Edge["steering"]> }) {
  const w = useWords(words);
  const { number } = useTongue();
  return (
    <Card>
      <CardTitle component="h2">{w.ring}</CardTitle>
      <CardBody>
        <Content component="p" className="postern-soft">{w.ringText.replace("{interface}", of.interface).replace("{digest}", of.digest)}</Content>
        {of.stale && <Alert component="p" isInline variant="danger" title={w.ringStale} />}
        {of.trouble && <Alert component="p" isInline variant="warning" title={of.trouble} />}
        <Listing label={w.ring} rows={of.members} id={(m) => m.node} asked={THERE} empty="–" columns={[
          { name: w.node, kind: "text", show: (m) => (m.this ? w.thisNode.replace("{name}", m.name) : m.name) }, { name: w.state, show: (m) => <Mark word={m.state} /> },
          { name: w.share, kind: "number", show: (m) => `${number(100 * m.share, 1)} %` }, { name: w.way, kind: "text", show: (m) => <>{m.way}{m.mac && <div className="postern-soft">{m.mac}</div>}</> }, { name: w.error, kind: "text", show: (m) => m.trouble ?? "–" }]} />
      </CardBody>
      <CardBody>
        <Listing label={w.addresses} rows={of.addresses} id={(a) => a.address} asked={THERE} empty="–" columns={[
          { name: w.virtual, kind: "text", show: (a) => a.address }, { name: w.owned, show: (a) => (a.owned ? w.yes : w.no) },
          { name: w.conflicts, kind: "text", show: (a) => (a.conflicts ? `${number(a.conflicts)}${a.rival ? ` (${a.rival})` : ""}` : "–") }]} />
      </CardBody>
    </Card>
  );
}
