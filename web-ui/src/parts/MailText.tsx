import { Card, CardBody, CardTitle, Content, List, ListItem } from "@patternfly/react-core";

type Words = Record<"message" | "messageText" | "noText" | "links", string>;

/** What a stranger wrote, as text, and where its links lead: none of them can be followed from here. */
export function MailText({ text, urls, w }: { text: string; urls: string[]; w: Words }) {
  return (
    <Card>
      <CardTitle component="h2">{w.message}</CardTitle>
      <CardBody>
        <Content component="p" className="postern-soft">{w.messageText}</Content>
        {text.trim() ? <pre className="postern-pre" tabIndex={0} role="region" aria-label={w.message}>{text}</pre> : w.noText}
      </CardBody>
      {urls.length > 0 && <><CardTitle component="h3">{w.links}</CardTitle><CardBody><List isPlain>{urls.map((url, at) => <ListItem key={at}><code className="postern-break">{url}</code></ListItem>)}</List></CardBody></>}
    </Card>
  );
}
