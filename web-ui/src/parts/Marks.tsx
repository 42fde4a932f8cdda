import { Label, type LabelProps } from "@patternfly/react-core";

import { useTongue } from "../i18n";

const COLOURS: Record<string, NonNullable<LabelProps["color"]>> = {
  accept: "green", tag: "teal", hold: "orange", quarantine: "yellow", defer: "blue", reject: "red", discard: "grey",
  held: "yellow", released: "green", deleted: "grey",
  pending: "blue", delivered: "green", failed: "red", removed: "grey",
  active: "green", ready: "blue", waiting: "orange",
  serving: "green", draining: "yellow", drained: "grey", good: "green", untried: "grey", "back-off": "red", probing: "orange", silent: "orange", lost: "red", unknown: "red",
};

/** A word of the API (action, state, duty) in the reader's language and its colour; a word that is not known here is shown as it came. */
export function Mark({ word }: { word: string }) {
  const { words } = useTongue();
  const known: Record<string, string> = words.marks;
  return <Label isCompact className="postern-mark" color={COLOURS[word] ?? "grey"}>{known[word] ?? word}</Label>;
}
