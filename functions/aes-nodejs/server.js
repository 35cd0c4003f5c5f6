'use strict';
// The function image aes-nodejs: AES-256 in CBC mode.

const { createCipheriv } = require('node:crypto');
const serve = require('./serve');

const args = serve.flags({
  // The characters themselves are the key, though they look like hexadecimal.
  key: '6368616e676520746869732070617373',
  default_plaintext: 'defaultplaintext',
});
// Sixteen characters "0", not sixteen zero bytes.
const START = Buffer.alloc(16, '0');

function answer(text) {
  const plaintext = text === '' || text === 'world' ? args.default_plaintext : text;
  const cipher = createCipheriv('aes-256-cbc', args.key, START);
  const ciphertext = cipher.update(plaintext, 'utf8', 'hex') + cipher.final('hex');
  // No bar between the two: the reply's own form.
  return `fn: AES | plaintext: ${plaintext} ciphertext: ${ciphertext} | runtime: NodeJS`;
}

serve.run(args, 'aes-nodejs', 'aes.Aes', 'ShowEncryption', answer);
