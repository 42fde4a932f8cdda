import { Alert, AlertActionLink, List, ListItem } from "@patternfly/react-core";

import { Refused } from "../api/client";
import { useTongue } from "../i18n";

/** What went wrong, in the node's own words when it gave any. */
export function Failure({ error, again }: { error: Error; again?: () => void }) {
  const { words } = useTongue();
  const refused = error instanceof Refused ? error : null;
  return (
    <div role="alert">
      <Alert component="p" isInline variant="danger" title={refused ? refused.message : words.unreachable} actionLinks={again && <AlertActionLink onClick={again}>{words.retry}</AlertActionLink>}>
        {refused && refused.faults.length > 0 && <List isPlain>{refused.faults.map((f) => <ListItem key={f.path + f.message}><code>{f.path}</code> {f.message}</ListItem>)}</List>}
      </Alert>
    </div>
  );
}
