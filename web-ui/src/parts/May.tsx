import type { ReactNode } from "react";

import { useMay, type Operation } from "../api/may";

/** What is only there for who may ask this of the node. The node refuses all others by itself: this is for the eye. */
export function May({ ask, children }: { ask: Operation; children: ReactNode }) {
  return useMay()(ask) && children;
}

/** Fields that everybody here may see, and only some change. */
export function MayChange({ ask, children }: { ask: Operation; children: ReactNode }) {
  return <fieldset className="postern-plain" disabled={!useMay()(ask)}>{children}</fieldset>;
}
