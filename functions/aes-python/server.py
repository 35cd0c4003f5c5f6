"""The function image aes-python: AES-256 in counter mode, in Python itself."""

import serve
from aes import Cipher


def answer_with(cipher, stand_in):
    def answer(text):
        if text in ("", "world"):
            text = stand_in
        # One byte a character: what has no such byte fails the call.
        ciphertext = cipher.counter_mode(text.encode("latin-1"))
        return f"fn: AES | plaintext: {text} | ciphertext: {ciphertext} | runtime: Python"

    return answer


if __name__ == "__main__":
    parser = serve.flags()
    # The characters themselves are the key, though they look like hexadecimal.
    parser.add_argument("--key", default="6368616e676520746869732070617373")
    parser.add_argument("--default_plaintext", default="defaultplaintext")
    args = parser.parse_args()
    answer = answer_with(Cipher(args.key.encode()), args.default_plaintext)
    serve.run(args, "aes-python", "aes.Aes", "ShowEncryption", answer)
