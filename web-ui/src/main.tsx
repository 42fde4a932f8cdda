import "@patternfly/react-core/dist/styles/base.css";
import "uplot/dist/uPlot.min.css";
import "./console.css";

import { MutationCache, QueryCache, QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import { App } from "./App";
import { Refused } from "./api/client";
import { LanguageProvider } from "./i18n";

/** The login ended while somebody looked: asked for anew, wherever it was noticed. */
const noticed = (error: Error) => {
  if (error instanceof Refused && error.status === 401) queries.setQueryData(["session"], null);
};
const queries: QueryClient = new QueryClient({
  queryCache: new QueryCache({ onError: noticed }),
  mutationCache: new MutationCache({ onError: noticed }),
  // What the node refused stays refused; only silence is worth a second try.
  defaultOptions: { queries: { retry: (failures, error) => !(error instanceof Refused) && failures < 2, staleTime: 2000 } },
});

const root = document.getElementById("root");
if (!root) throw new Error("index.html has no #root");
createRoot(root).render(
  <StrictMode>
    <QueryClientProvider client={queries}>
      <LanguageProvider>
        <App />
      </LanguageProvider>
    </QueryClientProvider>
  </StrictMode>,
);
