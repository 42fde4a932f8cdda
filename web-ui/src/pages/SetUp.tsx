import { Button } from "@patternfly/react-core";
import { useQueryClient } from "@tanstack/react-query";
import type { ReactNode } from "react";

import { api, Refused, session } from "../api/client";
import { useTongue } from "../i18n";
import { Asking, type Field } from "./Login";

/** The node restarts under its new name. */
const LOOK = 1000;
const LOOKS = 60;

/** The first boot's questions, the same that the console menu asks. */
export function SetUp({ aside, later }: { aside: ReactNode; later: () => void }) {
  const { words } = useTongue();
  const queries = useQueryClient();
  const act = async (values: Record<string, string>) => {
    const given = (name: string) => values[name] ?? "";
    await api("POST", "/system/set-up", { hostname: given("hostname"), network: given("network"), name_servers: given("name_servers"), time_zone: given("time_zone"), domain: given("domain") });
    for (let look = 0; look < LOOKS; look++) {
      await new Promise((resolve) => setTimeout(resolve, LOOK));
      const who = await session().catch(() => undefined);
      if (who !== undefined && look > 1) {
        queries.setQueryData(["session"], who);
        return;
      }
    }
    throw new Refused(0, words.setUpMoved);
  };
  const field = (id: string, label: string, hint: string, optional?: true): Field => ({ id, label, hint, type: "text", autoComplete: "off", ...(optional ? { optional } : {}) });
  const fields = [
    field("hostname", words.setUpName, "mx1.example.org"),
    field("network", words.setUpNetwork, words.setUpNetworkHint, true),
    field("name_servers", words.setUpServers, words.setUpServersHint, true),
    field("time_zone", words.setUpZone, "Europe/Berlin", true),
    field("domain", words.setUpDomain, "example.org 192.0.2.25", true),
  ];
  const leave = <><Button variant="link" onClick={later}>{words.setUpLater}</Button>{aside}</>;
  return <Asking key="set-up" title={words.setUpTitle} text={words.setUpText} fields={fields} button={words.setUpDo} act={act} aside={leave} />;
}
