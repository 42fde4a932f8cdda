import { ActionGroup, Alert, Button, Card, CardBody, CardTitle, Checkbox, Content, Form, FormGroup, TextInput } from "@patternfly/react-core";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";

import { api, asking } from "../../api/client";
import type { Trace } from "../../api/shapes";
import { useWords } from "../../i18n";
import { Failure } from "../../parts/Failure";
import { words } from "./words";

export function Tracing() {
  const w = useWords(words);
  const [address, setAddress] = useState("");
  const [established, setEstablished] = useState(false);
  const trace = useMutation({ mutationFn: () => api<Trace>("GET", asking("/edge/trace", { address: address.trim(), established })) });
  return (
    <Card>
      <CardTitle component="h2">{w.trace}</CardTitle>
      <CardBody>
        <Content component="p" className="postern-soft">{w.traceText}</Content>
        <Form aria-label={w.trace} onSubmit={(event) => { event.preventDefault(); trace.mutate(); }}>
          <FormGroup label={w.address} fieldId="trace-address" isRequired><TextInput id="trace-address" className="postern-short" isRequired autoComplete="off" placeholder="192.0.2.66" value={address} onChange={(_, v) => setAddress(v)} /></FormGroup>
          <Checkbox id="trace-established" label={w.established} isChecked={established} onChange={(_, on) => setEstablished(on)} />
          <ActionGroup><Button type="submit" variant="secondary" isDisabled={trace.isPending || !address.trim()} isLoading={trace.isPending}>{w.traceButton}</Button></ActionGroup>
        </Form>
      </CardBody>
      <CardBody aria-live="polite">
        {trace.isError && <Failure error={trace.error} />}
        {trace.data && (
          <Alert component="p" isInline variant={trace.data.action === "drop" ? "danger" : "success"} title={w.traced.replace("{action}", trace.data.action).replace("{reason}", trace.data.reason)}>
            <Content component="ol">{trace.data.steps.map((step, at) => <li key={at}>{step}</li>)}</Content>
          </Alert>
        )}
      </CardBody>
    </Card>
  );
}
