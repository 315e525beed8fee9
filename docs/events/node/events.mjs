// Usage events in a folder that `auditor audit`, `auditor ingest` and the exporter read.
import { randomUUID, createHash } from 'node:crypto';
import { chmodSync, closeSync, fchmodSync, mkdirSync, openSync, renameSync, writeSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { inputsOf, keyOf } from './fingerprint.mjs';

/** One segment of one process: each event is one write, so that no line is torn and what was written survives it. */
export class EventLog {
  /** `mode` 0o640 lets the group of the folder read. */
  constructor(folder, { mode = 0o600 } = {}) {
    if (mkdirSync(folder, { recursive: true, mode: 0o700 }) && mode !== 0o600) chmodSync(folder, 0o2750);
    const host = hostname().split('.')[0].replace(/[^A-Za-z0-9]/g, '-') || 'host';
    this.sealed = join(folder, `usage-${host}-${process.pid}-${Date.now()}-${randomUUID().slice(0, 8)}.jsonl`);
    this.open = this.sealed.replace(/jsonl$/, 'open.jsonl');
    this.file = openSync(this.open, 'ax', 0o600);
    fchmodSync(this.file, mode);
  }

  write(event) {
    writeSync(this.file, `${JSON.stringify({ v: 1, ts: new Date().toISOString(), ...event })}\n`);
  }

  close() {
    closeSync(this.file);
    renameSync(this.open, this.sealed);
  }
}

/** The parts that all events of one request share. */
export function request(scope, template, overrides, options = {}) {
  return {
    id: randomUUID(),
    provider: scope.provider,
    account: scope.account,
    environment: scope.environment,
    template,
    key: keyOf(scope, template, overrides, options),
    inputs: inputsOf(scope, overrides),
  };
}

/** Make a call that may be billed, with an `attempt` before it and its fate after; `call` gives {status, body}. */
export async function metered(log, event, call) {
  log.write({ ...event, outcome: 'attempt' }); // if the process dies now, the call still counts as perhaps billed
  const began = performance.now();
  const took = () => Number((performance.now() - began).toFixed(3));
  try {
    const { status, body } = await call();
    if (status < 200 || status >= 300) {
      const kinds = { 401: 'auth', 402: 'quota', 403: 'auth', 404: 'not_found', 429: 'throttled' };
      const error = kinds[status] ?? (status < 400 ? 'other' : status < 500 ? 'invalid' : 'server');
      log.write({ ...event, outcome: 'error', status, error, duration_ms: took() });
      return null;
    }
    const digest = `sha256:${createHash('sha256').update(body).digest('hex')}`;
    log.write({ ...event, outcome: 'render', status, bytes: body.length, digest, duration_ms: took() });
    return body;
  } catch (reason) {
    // No status: the credits are unknown. A connection that never came about costs nothing.
    const error = reason.name === 'TimeoutError' ? 'timeout' : 'connection';
    const credits = reason.cause?.code === 'ECONNREFUSED' ? 0 : null;
    log.write({ ...event, outcome: 'error', error, credits, duration_ms: took() });
    throw reason;
  }
}
