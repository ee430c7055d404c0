/** Subscriptions to Hubbub that resume, over graphql-ws. For Apollo Client: `@hubbub/resume/apollo`. */
export { connect, once, type ConnectOptions } from './connect.js';
export { ResumeError, SignedOut } from './errors.js';
export type { Result, Subscription } from './inbox.js';
export {
  resume,
  type Identified,
  type ResumeOptions,
  type Resumption,
  type ResyncReason,
} from './resume.js';
export { memory, webStorage, type CursorStore } from './stores.js';
