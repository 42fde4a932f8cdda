import { Button, EmptyState, EmptyStateBody, Skeleton } from "@patternfly/react-core";
import { Table, Tbody, Td, Th, Thead, Tr } from "@patternfly/react-table";
import type { ReactNode } from "react";

import { useTongue } from "../i18n";
import { Failure } from "./Failure";

export interface Column<R> {
  name: string;
  show: (row: R) => ReactNode;
  /** Figures stand at the right; texts of strangers may be broken anywhere. */
  kind?: "number" | "text" | "time" | "acts";
}

/** What TanStack Query says of a list, with its pages or without. */
interface Asked {
  isPending: boolean;
  isError: boolean;
  error: Error | null;
  refetch: () => unknown;
  hasNextPage?: boolean;
  isFetchingNextPage?: boolean;
  fetchNextPage?: () => unknown;
}

/** Of rows that are there already: part of an answer that came for more. */
export const THERE: Asked = { isPending: false, isError: false, error: null, refetch: () => undefined };

export interface Picked { ids: ReadonlySet<string>; set: (ids: ReadonlySet<string>) => void; can?: (id: string) => boolean }

/** A table that knows how to wait, to fail and to be empty; on a small screen each row becomes a card. */
export function Listing<R>({ label, columns, rows, id, asked, empty, picked }: {
  label: string;
  columns: Column<R>[];
  rows: R[];
  id: (row: R) => string;
  asked: Asked;
  empty: string;
  picked?: Picked;
}) {
  const { words } = useTongue();
  if (asked.isPending) return <div aria-busy="true">{[0, 1, 2, 3].map((n) => <Skeleton key={n} height="2.2rem" className="postern-gap" screenreaderText={n === 0 ? words.loading : ""} />)}</div>;
  if (asked.isError && asked.error && rows.length === 0) return <Failure error={asked.error} again={() => void asked.refetch()} />;
  if (rows.length === 0) return <EmptyState variant="xs"><EmptyStateBody>{empty}</EmptyStateBody></EmptyState>;
  const pickable = rows.map(id).filter((one) => picked?.can?.(one) ?? true);
  const toggle = (one: string, on: boolean) => {
    const next = new Set(picked?.ids);
    if (on) next.add(one);
    else next.delete(one);
    picked?.set(next);
  };
  return (
    <>
      {asked.isError && asked.error && <Failure error={asked.error} again={() => void asked.refetch()} />}
      <Table aria-label={label} variant="compact" gridBreakPoint="grid-lg">
        <Thead>
          <Tr>
            {picked && <Th aria-label={words.selectAll} select={{ isSelected: pickable.length > 0 && pickable.every((one) => picked.ids.has(one)), onSelect: (_, on) => picked.set(new Set(on ? pickable : [])) }} />}
            {columns.map((c) => <Th key={c.name} modifier="wrap" {...(c.kind === "number" ? { className: "postern-number" } : {})} {...(c.kind === "acts" ? { screenReaderText: c.name } : {})}>{c.kind === "acts" ? null : c.name}</Th>)}
          </Tr>
        </Thead>
        <Tbody>
          {rows.map((row, at) => {
            const one = id(row);
            return (
              <Tr key={one}>
                {picked && <Td select={{ rowIndex: at, isSelected: picked.ids.has(one), isDisabled: !(picked.can?.(one) ?? true), onSelect: (_, on) => toggle(one, on), props: { "aria-label": `${words.selectRow} ${at + 1}` } as never }} />}
                {columns.map((c) => <Td key={c.name} dataLabel={c.name} {...(c.kind === "time" ? { modifier: "nowrap" as const } : {})} className={c.kind ? `postern-${c.kind}` : ""}>{c.show(row)}</Td>)}
              </Tr>
            );
          })}
        </Tbody>
      </Table>
      {asked.hasNextPage && <div className="postern-more"><Button variant="secondary" isLoading={asked.isFetchingNextPage ?? false} isDisabled={asked.isFetchingNextPage ?? false} onClick={() => void asked.fetchNextPage?.()}>{words.older}</Button></div>}
    </>
  );
}
