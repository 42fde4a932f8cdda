import { ActionGroup, Button, Card, CardBody, CardTitle, Content, Form, FormGroup, Gallery, TextArea, TextInput } from "@patternfly/react-core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { api } from "../../api/client";
import { useWords } from "../../i18n";
import { useAct } from "../../parts/Said";
import { words } from "./words";

/** A node without a cluster makes one, or joins another's. */
export function Alone() {
  const w = useWords(words);
  const queries = useQueryClient();
  const [name, setName] = useState("");
  const [token, setToken] = useState("");
  const anew = () => queries.invalidateQueries();
  const found = useAct(() => api("POST", "/cluster", { name: name.trim() }), async () => {
    await anew();
    return w.foundSaid;
  });
  const join = useAct(() => api("POST", "/cluster/join", { token: token.trim() }), async () => {
    await anew();
    return w.joinSaid;
  });
  return (
    <Gallery hasGutter minWidths={{ default: "min(100%, 22rem)" }}>
      <Card>
        <CardTitle component="h2">{w.found}</CardTitle>
        <CardBody>
          <Form onSubmit={(event) => { event.preventDefault(); found.mutate(undefined); }}>
            <Content component="p">{w.foundText}</Content>
            <FormGroup label={w.name} fieldId="cluster-name"><TextInput id="cluster-name" autoComplete="off" value={name} onChange={(_, v) => setName(v)} /></FormGroup>
            <ActionGroup><Button type="submit" isLoading={found.isPending} isDisabled={found.isPending}>{w.foundButton}</Button></ActionGroup>
          </Form>
        </CardBody>
      </Card>
      <Card>
        <CardTitle component="h2">{w.join}</CardTitle>
        <CardBody>
          <Form onSubmit={(event) => { event.preventDefault(); join.mutate(undefined); }}>
            <Content component="p">{w.joinText}</Content>
            <FormGroup label={w.token} fieldId="cluster-token" isRequired><TextArea id="cluster-token" autoComplete="off" isRequired spellCheck={false} resizeOrientation="vertical" value={token} onChange={(_, v) => setToken(v)} /></FormGroup>
            <ActionGroup><Button type="submit" isLoading={join.isPending} isDisabled={join.isPending || !token.trim()}>{w.joinButton}</Button></ActionGroup>
          </Form>
        </CardBody>
      </Card>
    </Gallery>
  );
}
