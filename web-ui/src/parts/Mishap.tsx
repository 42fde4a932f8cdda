import { Alert, Button, PageSection } from "@patternfly/react-core";
import { Component, type ReactNode } from "react";

import { useTongue } from "../i18n";

/** An error of one page leaves the menu and the other pages as they are. A part that cannot be loaded is most often one of an older version. */
export class Mishap extends Component<{ children: ReactNode }, { error: Error | null }> {
  override state: { error: Error | null } = { error: null };

  static getDerivedStateFromError(error: Error) {
    return { error };
  }

  override render() {
    return this.state.error ? <Told error={this.state.error} /> : this.props.children;
  }
}

function Told({ error }: { error: Error }) {
  const { words } = useTongue();
  return (
    <PageSection>
      <div role="alert">
        <Alert component="p" isInline variant="danger" title={words.mishap} actionLinks={<Button variant="link" isInline onClick={() => location.reload()}>{words.reload}</Button>}>{error.message}</Alert>
      </div>
    </PageSection>
  );
}
