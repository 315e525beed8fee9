// The `key` and the `inputs` of a usage event, as docs/events.md has them.
import { hkdfSync } from 'node:crypto';
import { blake2b } from '@noble/hashes/blake2.js';
import canonicalize from 'canonicalize';

const utf8 = (text) => new TextEncoder().encode(text);
const hex = (bytes) => Buffer.from(bytes).toString('hex');

/** 32 bytes from the secret that all hosts and languages of an account share. */
export function deriveKey(secret) {
  return new Uint8Array(hkdfSync('sha256', utf8(secret), utf8('render-auditor/k1'), utf8('fingerprint'), 32));
}

/** RFC 8785 bytes. Whole numbers beyond 2^53 - 1 have been rounded before we see them, so they are refused. */
export function canonical(value) {
  refuseUnsafe(value);
  return utf8(canonicalize(value));
}

function refuseUnsafe(value) {
  if (typeof value === 'bigint' || (Number.isInteger(value) && !Number.isSafeInteger(value))) {
    throw new RangeError('a whole number beyond 2^53 - 1 has no canonical JSON: send it as text');
  }
  if (value !== null && typeof value === 'object') Object.values(value).forEach(refuseUnsafe);
}

const prefixed = (bytes) => [utf8(`${bytes.length}:`), bytes];
const keyed = (secret, parts) => hex(blake2b(Buffer.concat(parts), { key: secret, dkLen: 32 }));

/** `scope` is {provider, account, environment, secret}, the secret from `deriveKey`. */
export function keyOf(scope, template, overrides, options = {}, templateVersion = '') {
  const kept = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== null && value !== undefined));
  if (kept.format === 'jpg') kept.format = 'jpeg';
  const names = [scope.provider, scope.account, scope.environment.toLowerCase(), template, templateVersion ?? ''];
  const parts = [...names.map(utf8), canonical(overrides), canonical(kept)];
  return `k1:${keyed(scope.secret, parts.flatMap(prefixed))}`;
}

/** Field (dot path) -> keyed digest of its value, for the event's `inputs`. */
export function inputsOf(scope, overrides) {
  const digest = (value) => keyed(scope.secret, [canonical(value)]).slice(0, 16);
  return Object.fromEntries(leaves('', overrides).map(([path, value]) => [path, digest(value)]));
}

function leaves(prefix, value) {
  const nested = value !== null && typeof value === 'object' && !Array.isArray(value) && Object.keys(value).length > 0;
  if (!nested) return prefix ? [[prefix, value]] : [];
  return Object.entries(value).flatMap(([name, each]) => leaves(prefix ? `${prefix}.${name}` : name, each));
}
