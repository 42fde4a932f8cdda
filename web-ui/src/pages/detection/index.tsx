import { Button, Card, CardBody, Content, PageSection } from "@patternfly/react-core";
import { useQuery } from "@tanstack/react-query";

import { api, type Schemas } from "../../api/client";
import { useTongue, useWords } from "../../i18n";
import { Head } from "../../parts/Head";
import { May } from "../../parts/May";
import { to } from "../../route";
import { Symbols } from "./Symbols";
import { Training } from "./Training";
import { words } from "./words";
import { YaraRules } from "./YaraRules";

export default function Detection() {
  const w = useWords(words);
  const { number } = useTongue();
  const symbols = useQuery({ queryKey: ["symbols"], queryFn: () => api<Schemas["Symbols"]>("GET", "/symbols") });
  const { tag = 0, quarantine = 0, reject = 0 } = symbols.data ?? {};
  return (
    <>
      <Head title={w.title} text={w.text}>
        <May ask="PATCH /settings"><Button component="a" variant="secondary" href={to("settings", "filter")}>{w.thresholdsChange}</Button></May>
      </Head>
      {symbols.data && <PageSection><Content component="p">{w.thresholds.replace("{tag}", number(tag, 1)).replace("{quarantine}", number(quarantine, 1)).replace("{reject}", number(reject, 1))}</Content></PageSection>}
      <PageSection><Training /></PageSection>
      <PageSection><YaraRules /></PageSection>
      <PageSection><Card><CardBody><Symbols asked={symbols} /></CardBody></Card></PageSection>
    </>
  );
}
