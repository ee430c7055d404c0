// graphql-yoga with graphql-ws, as yoga's documentation sets subscriptions over WebSockets up.
// Started as `node --expose-gc yoga.js PORT`.

import { createServer } from 'node:http';

import { useServer } from 'graphql-ws/use/ws';
import { createPubSub, createSchema, createYoga } from 'graphql-yoga';
import { WebSocketServer } from 'ws';

import { listen, send, typeDefs } from './chat.js';

const pubSub = createPubSub();
const resolvers = {
  Mutation: {
    sendMessage(_, { input }) {
      const { message, event } = send(input);
      pubSub.publish('events', event);
      return { message, errors: [] };
    },
  },
  Subscription: {
    events: { subscribe: () => pubSub.subscribe('events'), resolve: (event) => event },
  },
};

const yoga = createYoga({ schema: createSchema({ typeDefs, resolvers }) });
const httpServer = createServer(yoga);
const wsServer = new WebSocketServer({ server: httpServer, path: yoga.graphqlEndpoint });

useServer(
  {
    execute: (args) => args.rootValue.execute(args),
    subscribe: (args) => args.rootValue.subscribe(args),
    onSubscribe: async (context, _id, params) => {
      const { schema, execute, subscribe, contextFactory, parse, validate } = yoga.getEnveloped({
        ...context,
        req: context.extra.request,
        socket: context.extra.socket,
        params,
      });
      const args = {
        schema,
        operationName: params.operationName,
        document: parse(params.query),
        variableValues: params.variables,
        contextValue: await contextFactory(),
        rootValue: { execute, subscribe },
      };
      const errors = validate(args.schema, args.document);
      return errors.length > 0 ? errors : args;
    },
  },
  wsServer,
);

listen(httpServer);
