/**
 * The line protocol between a test and a client program: JSON, one object per line.
 *
 * stdin    {"id": 1, "do": "send", …}                 a command; `id` is the test's choice
 * stdout   {"id": 1, "result": …}                     its answer,
 *          {"id": 1, "error": {"message", "code"}}    or why there is none
 *          {"event": …}, {"socket": …}, {"ended": …}  what happens without being asked
 *
 * Commands run as soon as they are read, several at a time if the test does not wait for answers.
 * When stdin closes, commands under way are answered and the program exits, so that a test that dies
 * leaves no process behind.
 */
import { createInterface } from 'node:readline';

// Long enough to finish what a living server answers; a dead one must not keep the program alive.
const FINISH_WITHIN_MS = 2_000;

// stdout belongs to the protocol; what libraries have to say goes where the test can show it.
console.log = console.info = console.debug = console.error;
// Nobody reads any more: the test is gone.
process.stdout.on('error', () => process.exit(0));

/** A refusal to answer a command with: `code` is the server's error code or the socket's close code. */
export class Refused extends Error {
  constructor(message, code = null) {
    super(message);
    this.code = code;
  }
}

/** Writes one line to the test. */
export function tell(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

/**
 * Answers commands with `actions[command.do](command)` until stdin closes or the command `close` is
 * answered, and then exits.
 */
export function serve(actions) {
  const underWay = new Set();
  const input = createInterface({ input: process.stdin });
  input.on('line', (line) => {
    if (line.trim() === '') return;
    const answered = answer(actions, line).then((last) => {
      underWay.delete(answered);
      if (last) input.close();
    });
    underWay.add(answered);
  });
  input.on('close', async () => {
    const late = new Promise((resolve) => setTimeout(resolve, FINISH_WITHIN_MS));
    await Promise.race([Promise.allSettled(underWay), late]);
    // Not before what was written has left: a pipe may still hold some of it.
    process.stdout.write('', () => process.exit(0));
  });
}

/** Answers one line; returns whether it was the last one. */
async function answer(actions, line) {
  let command = { id: null };
  try {
    command = JSON.parse(line);
    const action = actions[command.do];
    if (action === undefined) throw new Refused(`There is no command "${command.do}".`, 'BAD_COMMAND');
    tell({ id: command.id, result: (await action(command)) ?? null });
  } catch (error) {
    tell({ id: command.id, error: { message: String(error.message), code: error.code ?? null } });
  }
  return command.do === 'close';
}
