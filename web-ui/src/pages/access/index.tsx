import { PageSection } from "@patternfly/react-core";

import type { PageProps } from "../../App";
import { useWords } from "../../i18n";
import { Head } from "../../parts/Head";
import { Admins } from "./Admins";
import { OwnPassword } from "./OwnPassword";
import { Tokens } from "./Tokens";
import { words } from "./words";

export default function Access({ who }: PageProps) {
  const w = useWords(words);
  return (
    <>
      <Head title={w.title} text={w.text} />
      <PageSection><Admins own={who.name} /></PageSection>
      <PageSection><Tokens /></PageSection>
      <PageSection><OwnPassword name={who.name} /></PageSection>
    </>
  );
}
