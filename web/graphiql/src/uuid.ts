/** UUIDs for `clientMessageId`, so that nobody needs a tool beside this page. */

/** A random (version 4) UUID. */
export function newUuid(): string {
  // Not crypto.randomUUID(): browsers hide it on plain http, where a server on the local network is
  // likely to be tried out. RFC 9562 §5.4: version and variant are fixed, all else is random.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/**
 * The variables of an operation with each empty `clientMessageId` filled by a fresh UUID, at the top
 * or inside `input`. A filled one is left alone: sending it again is how a client retries safely.
 */
export function withMessageIds(variables: unknown): unknown {
  if (!isRecord(variables)) return variables;
  const filled = fill(variables);
  return isRecord(filled['input']) ? { ...filled, input: fill(filled['input']) } : filled;
}

function fill(record: Record<string, unknown>): Record<string, unknown> {
  return record['clientMessageId'] === '' ? { ...record, clientMessageId: newUuid() } : record;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
