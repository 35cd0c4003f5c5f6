"""AES (FIPS 197) in plain Python, as the benchmark's work: not for secrets.

It is slow and its time depends on the data.
"""


def _double(a):
    """a times x in GF(2^8)."""
    return (a << 1) ^ (0x11B if a & 0x80 else 0)


def _sbox():
    """The substitution box, by walking the field with generator 3 and its inverse."""
    box = [0x63] * 256
    power = inverse = 1
    while True:
        power ^= _double(power)
        for shift in (1, 2, 4):
            inverse = (inverse ^ inverse << shift) & 0xFF
        if inverse & 0x80:
            inverse ^= 0x09
        rotated = inverse * 0x101
        mixed = rotated ^ rotated >> 4 ^ rotated >> 5 ^ rotated >> 6 ^ rotated >> 7
        box[power] = mixed & 0xFF ^ 0x63
        if power == 1:
            return box


SBOX = _sbox()


class Cipher:
    """AES with a key of 16, 24 or 32 bytes."""

    def __init__(self, key):
        if len(key) not in (16, 24, 32):
            raise ValueError(f"key has {len(key)} bytes, not 16, 24 or 32")
        self._round_keys = _expand(key)

    def counter_mode(self, text):
        """Encrypts bytes; the 16-byte counter starts at 0, highest byte first."""
        out = bytearray()
        for number, start in enumerate(range(0, len(text), 16)):
            stream = self.block(number.to_bytes(16, "big"))
            out += bytes(a ^ b for a, b in zip(text[start : start + 16], stream))
        return bytes(out)

    def block(self, data):
        """Encrypts one block of 16 bytes."""
        state = [a ^ b for a, b in zip(data, self._round_keys[0])]
        for key in self._round_keys[1:-1]:
            state = [a ^ b for a, b in zip(_mix(_substitute(state)), key)]
        return bytes(a ^ b for a, b in zip(_substitute(state), self._round_keys[-1]))


def _substitute(state):
    """SubBytes and ShiftRows: byte r of column c comes from column c + r."""
    return [SBOX[state[(i + 4 * (i % 4)) % 16]] for i in range(16)]


def _mix(state):
    """MixColumns."""
    out = []
    for c in range(0, 16, 4):
        column = state[c : c + 4]
        total = column[0] ^ column[1] ^ column[2] ^ column[3]
        out += [column[r] ^ total ^ _double(column[r] ^ column[(r + 1) % 4]) for r in range(4)]
    return out


def _expand(key):
    """The key schedule: a list of 16-byte round keys."""
    size = len(key) // 4
    words = [list(key[i : i + 4]) for i in range(0, len(key), 4)]
    constant = 1
    while len(words) < 4 * (size + 7):
        word = words[-1]
        if len(words) % size == 0:
            word = [SBOX[b] for b in word[1:] + word[:1]]
            word[0] ^= constant
            constant = _double(constant)
        elif size > 6 and len(words) % size == 4:
            word = [SBOX[b] for b in word]
        words.append([a ^ b for a, b in zip(words[-size], word)])
    return [sum(words[i : i + 4], []) for i in range(0, len(words), 4)]
