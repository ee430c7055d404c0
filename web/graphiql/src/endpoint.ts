/** Where the API is: beside this page, whatever path prefix both are deployed under. */

/** `https://host/prefix/graphiql/…` → `https://host/prefix/graphql`. */
export function endpointOf(page: string): string {
  // Without query and fragment, '.' is the page's folder: /prefix/graphiql/.
  return new URL('../graphql', new URL('.', page)).href;
}

/** The same endpoint for WebSockets: http → ws, https → wss. */
export function socketOf(endpoint: string): string {
  return endpoint.replace(/^http/, 'ws');
}
