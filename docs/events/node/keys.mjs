// Requests as JSON Lines on standard input -> their key and inputs, or the reason why they have none.
import { createInterface } from 'node:readline';
import { deriveKey, inputsOf, keyOf } from './fingerprint.mjs';

for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  const { secret, provider, account, environment, template, template_version, overrides, options } = JSON.parse(line);
  const scope = { provider, account, environment, secret: deriveKey(secret) };
  let found;
  try {
    found = { key: keyOf(scope, template, overrides, options, template_version), inputs: inputsOf(scope, overrides) };
  } catch (error) {
    found = { error: error.message };
  }
  console.log(JSON.stringify(found));
}
