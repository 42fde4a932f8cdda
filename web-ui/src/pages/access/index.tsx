import { PageSection } from "@patternfly/react-core";

import type { PageProps } from "../../App";
import { useWords } from "../../i18n";
import { Head } from "../../parts/Head";
import { May } from "../../parts/May";
import { Admins } from "./Admins";
import { OwnPassword } from "./OwnPassword";
import { OwnTotp } from "./OwnTotp";
import { Sessions } from "./Sessions";
import { Tokens } from "./Tokens";
import { words } from "./words";

export default function Access({ who }: PageProps) {
  const w = useWords(words);
  return (
    <>
      <Head title={w.title} text={w.text} />
      <May ask="GET /admins"><PageSection><Admins own={who.name} /></PageSection></May>
      <May ask="GET /tokens"><PageSection><Tokens /></PageSection></May>
      <PageSection><OwnPassword name={who.name} /></PageSection>
      <PageSection><OwnTotp /></PageSection>
      <PageSection><Sessions /></PageSection>
    </>
  );
}
