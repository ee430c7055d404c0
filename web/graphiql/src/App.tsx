/** The page: the bar, and GraphiQL below it. */
import { GraphiQL } from 'graphiql';
import { useMemo } from 'react';
import { CONVERSATION } from './conversation';
import { createFetcher } from './fetcher';
import { NewUuidButton } from './NewUuidButton';
import type { Session } from './session';
import { SignInBar } from './SignInBar';
import type { Live } from './socket';
import { storage } from './storage';

interface AppProps {
  endpoint: string;
  socket: string;
  session: Session;
  live: Live;
  /** `?query=` and `&variables=` of the page's address. */
  asked: { query: string; variables: string } | null;
}

export function App({ endpoint, socket, session, live, asked }: AppProps) {
  // A new fetcher would make GraphiQL fetch the schema again.
  const fetcher = useMemo(
    () => createFetcher(endpoint, socket, session, live),
    [endpoint, socket, session, live],
  );
  // GraphiQL shows the asked query in its first tab, or in a new one when it remembers tabs.
  const tabs = asked ? [asked, ...CONVERSATION] : [...CONVERSATION];
  const initial = asked ? { initialQuery: asked.query, initialVariables: asked.variables } : {};
  return (
    <>
      <SignInBar session={session} live={live} />
      <main className="hubbub-main">
        <GraphiQL
          fetcher={fetcher}
          storage={storage}
          defaultTabs={tabs}
          {...initial}
          // Most tabs of the conversation have variables; hidden ones would be missed.
          defaultEditorToolsVisibility="variables"
          inputValueDeprecation
          schemaDescription
        >
          <GraphiQL.Toolbar>
            {({ prettify, merge, copy }) => (
              <>
                {prettify}
                {merge}
                {copy}
                <NewUuidButton />
              </>
            )}
          </GraphiQL.Toolbar>
        </GraphiQL>
      </main>
    </>
  );
}
