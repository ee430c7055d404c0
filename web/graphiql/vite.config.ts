import react from '@vitejs/plugin-react';
import { defineConfig, loadEnv } from 'vite';

export default defineConfig(({ mode }) => ({
  // Relative, so that the same files work at /graphiql/ and behind any path prefix.
  base: './',
  plugins: [react()],
  // Monaco's workers import chunks of their own, which only ES module workers can do.
  worker: { format: 'es' },
  build: {
    target: 'es2022',
    // Monaco is one large chunk by nature; the default limit of 500 kB would warn on every build.
    chunkSizeWarningLimit: 4096,
    // What is bundled is passed on with the server, and its licences ask to be passed on with it.
    license: { fileName: 'licenses.md' },
    rolldownOptions: {
      onLog(level, log, report) {
        // Dependencies address the React compiler with "use no memo"; the bundler has no use for it.
        if (log.code !== 'MODULE_LEVEL_DIRECTIVE') report(level, log);
      },
    },
  },
  server: {
    // `npm run dev` serves the page at /graphiql/ of its own origin too, so that one has to pass the
    // API through. Name another backend with HUBBUB_URL.
    proxy: {
      '/graphql': {
        target: loadEnv(mode, '.', 'HUBBUB_')['HUBBUB_URL'] ?? 'http://127.0.0.1:8000',
        ws: true,
      },
    },
  },
}));
