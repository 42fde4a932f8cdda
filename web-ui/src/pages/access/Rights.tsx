import { FormGroup, FormHelperText, FormSelect, FormSelectOption, Grid, GridItem, HelperText, HelperTextItem, TextInput } from "@patternfly/react-core";

import { useWords } from "../../i18n";
import { words } from "./words";

export const ROLES = ["admin", "operator", "helpdesk", "auditor"] as const;

/** A role as it is edited. */
export interface Given { role: string; domains: string }
export const ALL: Given = { role: "admin", domains: "" };

/** As the API takes it. An admin is for everything. */
export const asked = ({ role, domains }: Given) => {
  const list = domains.split(/[\s,]+/).filter(Boolean);
  return { role, domains: role !== "admin" && list.length ? list : null };
};

/** Which role, and for which domains. `id` tells the fields of two forms apart. */
export function Rights({ id, given, set }: { id: string; given: Given; set: (given: Given) => void }) {
  const w = useWords(words);
  const known = ROLES.find((r) => r === given.role);
  return (
    <Grid hasGutter>
      <GridItem sm={12} lg={5}>
        <FormGroup label={w.role} fieldId={`${id}-role`}>
          <FormSelect id={`${id}-role`} aria-describedby={`${id}-role-what`} value={given.role} onChange={(_, role) => set({ ...given, role })}>{ROLES.map((r) => <FormSelectOption key={r} value={r} label={w[r]} />)}</FormSelect>
          <FormHelperText><HelperText><HelperTextItem id={`${id}-role-what`}>{known && w.roles[known]}</HelperTextItem></HelperText></FormHelperText>
        </FormGroup>
      </GridItem>
      {given.role !== "admin" && (
        <GridItem sm={12} lg={7}>
          <FormGroup label={w.domains} fieldId={`${id}-domains`}>
            <TextInput id={`${id}-domains`} autoComplete="off" placeholder="example.org example.net" aria-describedby={`${id}-domains-what`} value={given.domains} onChange={(_, domains) => set({ ...given, domains })} />
            <FormHelperText><HelperText><HelperTextItem id={`${id}-domains-what`}>{w.domainsHint}</HelperTextItem></HelperText></FormHelperText>
          </FormGroup>
        </GridItem>
      )}
    </Grid>
  );
}

/** In a list. */
export function RightsShown({ role, domains }: { role: string; domains?: string[] | null | undefined }) {
  const w = useWords(words);
  const known = ROLES.find((r) => r === role);
  return <>{known ? w[known] : role}{domains && <div className="postern-soft">{domains.join(", ") || w.noDomain}</div>}</>;
}
