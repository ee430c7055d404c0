// Apollo Server with express, graphql-ws and PubSub, as its documentation sets subscriptions up.
// Started as `node --expose-gc apollo.js PORT`.

import { EventEmitter } from 'node:events';
import { createServer } from 'node:http';

import { ApolloServer } from '@apollo/server';
import { ApolloServerPluginDrainHttpServer } from '@apollo/server/plugin/drainHttpServer';
import { expressMiddleware } from '@as-integrations/express5';
import { makeExecutableSchema } from '@graphql-tools/schema';
import cors from 'cors';
import express from 'express';
import { PubSub } from 'graphql-subscriptions';
import { useServer } from 'graphql-ws/use/ws';
import { WebSocketServer } from 'ws';

import { listen, send, typeDefs } from './chat.js';

const eventEmitter = new EventEmitter();
eventEmitter.setMaxListeners(0); // past the tenth it would warn of a leak
const pubsub = new PubSub({ eventEmitter });
const resolvers = {
  Mutation: {
    async sendMessage(_, { input }) {
      const { message, event } = send(input);
      await pubsub.publish('EVENTS', { events: event });
      return { message, errors: [] };
    },
  },
  Subscription: {
    events: { subscribe: () => pubsub.asyncIterableIterator(['EVENTS']) },
  },
};

const schema = makeExecutableSchema({ typeDefs, resolvers });
const app = express();
const httpServer = createServer(app);
const wsServer = new WebSocketServer({ server: httpServer, path: '/graphql' });
const serverCleanup = useServer({ schema }, wsServer);

const server = new ApolloServer({
  schema,
  plugins: [
    ApolloServerPluginDrainHttpServer({ httpServer }),
    {
      async serverWillStart() {
        return {
          async drainServer() {
            await serverCleanup.dispose();
          },
        };
      },
    },
  ],
});
await server.start();
app.use('/graphql', cors(), express.json(), expressMiddleware(server));

listen(httpServer);
