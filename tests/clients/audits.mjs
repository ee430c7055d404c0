/**
 * Runs graphql-http's audits of a server, and writes what each came to as a line of JSON:
 * {"id", "name", "status": "ok" | "notice" | "warn" | "error", "reason"?}.
 */
import { serverAudits } from 'graphql-http';

const url = `${process.env.HUBBUB_URL}/graphql`;

for (const audit of serverAudits({ url })) {
  const { id, name, status, reason } = await audit.fn();
  process.stdout.write(`${JSON.stringify({ id, name, status, reason })}\n`);
}
