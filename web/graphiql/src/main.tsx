// Monaco asks for its workers while it loads, so they are set up before anything else is imported.
import 'graphiql/setup-workers/vite';
import 'graphiql/style.css';
import './style.css';
import { createRoot } from 'react-dom/client';
import { App } from './App';
import { endpointOf, socketOf } from './endpoint';
import { Session } from './session';
import { Live } from './socket';

const endpoint = endpointOf(location.href);
const parameters = new URLSearchParams(location.search);
const query = parameters.get('query');

createRoot(document.getElementById('root')!).render(
  <App
    endpoint={endpoint}
    socket={socketOf(endpoint)}
    session={new Session(endpoint)}
    live={new Live()}
    asked={query === null ? null : { query, variables: parameters.get('variables') ?? '' }}
  />,
);
