/**
 * Apollo's link for automatic persisted queries: asks the same twice, and once by GET, and writes for
 * each request over HTTP a line of JSON: {"method", "hasQuery", "data"?, "code"?}.
 */
import { createHash } from 'node:crypto';
import { ApolloClient, gql, HttpLink, InMemoryCache } from '@apollo/client';
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries';

const sha256 = async (text) => createHash('sha256').update(text).digest('hex');

async function watchedFetch(uri, options) {
  const response = await fetch(uri, options);
  const { data, errors } = await response.clone().json();
  const asked = options.body ?? decodeURIComponent(new URL(uri).search);
  process.stdout.write(
    `${JSON.stringify({
      method: options.method,
      hasQuery: asked.includes('hubbubNamed'),
      data,
      code: errors?.[0].extensions.code,
    })}\n`,
  );
  return response;
}

const query = gql`
  query {
    server {
      hubbubNamed: name
    }
  }
`;

for (const useGETForHashedQueries of [false, false, true]) {
  const client = new ApolloClient({
    cache: new InMemoryCache(),
    link: new PersistedQueryLink({ sha256, useGETForHashedQueries }).concat(
      new HttpLink({ uri: `${process.env.HUBBUB_URL}/graphql`, fetch: watchedFetch }),
    ),
  });
  await client.query({ query });
}
