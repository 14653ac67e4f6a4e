#!/usr/bin/env python3
"""Reads a sealed recording with nothing but this file and Python's standard library.

Written from design/recording-format.md and the standards (RFC 7748, 9180, 5869, FIPS 197, SP 800-38D), not from the
Rust code, so that the two can disagree. Slow and not constant-time: it is a witness, not a tool.

    read_container.py FILE SECRET_KEY_HEX [SHARE_HEX]    facts, ending and hash of the audio as JSON
    read_container.py --self-test                        the published vectors of what is implemented here
"""
import hashlib, hmac, json, sys

P = 2**255 - 19


def x25519(scalar, point):
    """RFC 7748 section 5: the Montgomery ladder."""
    k = bytearray(scalar)
    k[0] &= 248
    k[31] = k[31] & 127 | 64
    k, x1 = int.from_bytes(k, "little"), int.from_bytes(point, "little") & (2**255 - 1)
    x2, z2, x3, z3, swap = 1, 0, x1, 1, 0
    for t in reversed(range(255)):
        bit = k >> t & 1
        if swap ^ bit:
            x2, x3, z2, z3 = x3, x2, z3, z2
        swap = bit
        a, b, c, d = (x2 + z2) % P, (x2 - z2) % P, (x3 + z3) % P, (x3 - z3) % P
        da, cb, aa, bb = d * a % P, c * b % P, a * a % P, b * b % P
        x3, z3, x2 = (da + cb) ** 2 % P, x1 * (da - cb) ** 2 % P, aa * bb % P
        e = (aa - bb) % P
        z2 = e * (aa + 121665 * e) % P
    if swap:
        x2, z2 = x3, z3
    return (x2 * pow(z2, P - 2, P) % P).to_bytes(32, "little")


def mac(key, data):
    return hmac.new(key, data, hashlib.sha256).digest()


def expand(prk, info, length):
    out, block, count = b"", b"", 1
    while len(out) < length:
        block = mac(prk, block + info + bytes([count]))
        out, count = out + block, count + 1
    return out[:length]


def hkdf(secret, salt, info, length):
    return expand(mac(salt, secret), info, length)


def times2(x):
    return x << 1 ^ (0x11B if x & 128 else 0)


SBOX = [0] * 256
p = q = 1
while True:  # FIPS 197 section 5.1.1, p running through all elements and q through their inverses
    p ^= times2(p)
    for shift in (1, 2, 4):
        q = (q ^ q << shift) & 255
    q ^= 9 if q & 128 else 0
    SBOX[p] = (q ^ (q << 1 | q >> 7) ^ (q << 2 | q >> 6) ^ (q << 3 | q >> 5) ^ (q << 4 | q >> 4)) & 255 ^ 0x63
    if p == 1:
        break
SBOX[0] = 0x63


class Gcm:
    """AES-256-GCM, opening only."""

    def __init__(self, key):
        words, rcon = [key[i : i + 4] for i in range(0, 32, 4)], 1
        for i in range(8, 60):
            w = words[-1]
            if i % 8 == 0:
                w = bytes(SBOX[b] for b in w[1:] + w[:1])
                w, rcon = bytes([w[0] ^ rcon]) + w[1:], rcon << 1
            elif i % 8 == 4:
                w = bytes(SBOX[b] for b in w)
            words.append(bytes(a ^ b for a, b in zip(words[-8], w)))
        self.rounds = [b"".join(words[i : i + 4]) for i in range(0, 60, 4)]
        h, self.powers = int.from_bytes(self.block(bytes(16)), "big"), []
        for _ in range(128):  # h, h*x, h*x^2 ... in GCM's order of bits
            self.powers.append(h)
            h = h >> 1 ^ (0xE1 << 120 if h & 1 else 0)

    def block(self, block):
        s = bytes(a ^ b for a, b in zip(block, self.rounds[0]))
        for number, key in enumerate(self.rounds[1:], 1):
            s = [SBOX[s[(i + 4 * (i % 4)) % 16]] for i in range(16)]
            if number < 14:
                m = []
                for c in range(0, 16, 4):
                    a = s[c : c + 4]
                    m += [times2(a[i]) ^ times2(a[i - 3]) ^ a[i - 3] ^ a[i - 2] ^ a[i - 1] for i in range(4)]
                s = m
            s = bytes((a ^ b) & 255 for a, b in zip(s, key))
        return bytes(s)

    def ghash(self, data):
        y = 0
        for i in range(0, len(data), 16):
            y ^= int.from_bytes(data[i : i + 16].ljust(16, b"\0"), "big")
            product = 0
            for bit, power in enumerate(self.powers):
                if y >> (127 - bit) & 1:
                    product ^= power
            y = product
        return y

    def open(self, nonce, aad, sealed):
        body, tag = sealed[:-16], sealed[-16:]
        padded = aad + bytes(-len(aad) % 16) + body + bytes(-len(body) % 16)
        y = self.ghash(padded + (8 * len(aad)).to_bytes(8, "big") + (8 * len(body)).to_bytes(8, "big"))
        if (y ^ int.from_bytes(self.block(nonce + b"\0\0\0\1"), "big")).to_bytes(16, "big") != tag:
            return None
        stream = b"".join(self.block(nonce + (n + 2).to_bytes(4, "big")) for n in range((len(body) + 15) // 16))
        return bytes(a ^ b for a, b in zip(body, stream))


def hpke_open(secret, enc, info, sealed, psk=b"", psk_id=b""):
    """RFC 9180, base or PSK mode, DHKEM(X25519, HKDF-SHA256) 0x20, HKDF-SHA256 1, AES-256-GCM 2; no associated data."""
    kem, suite = b"KEM\0\x20", b"HPKE\0\x20\0\1\0\2"
    extract = lambda ids, salt, label, ikm: mac(salt or bytes(32), b"HPKE-v1" + ids + label + ikm)
    out = lambda ids, prk, label, about, n: expand(prk, n.to_bytes(2, "big") + b"HPKE-v1" + ids + label + about, n)
    public = x25519(secret, (9).to_bytes(32, "little"))
    shared = out(kem, extract(kem, b"", b"eae_prk", x25519(secret, enc)), b"shared_secret", enc + public, 32)
    about = bytes([psk != b""]) + extract(suite, b"", b"psk_id_hash", psk_id) + extract(suite, b"", b"info_hash", info)
    schedule = extract(suite, shared, b"secret", psk)
    key, nonce = out(suite, schedule, b"key", about, 32), out(suite, schedule, b"base_nonce", about, 12)
    return Gcm(key).open(nonce, b"", sealed), public


def read(data, secret, share=b""):
    fixed, number = data[:128], lambda a, b: int.from_bytes(data[a:b], "big")
    assert data[:8] == bytes.fromhex("894346524543 0D0A") and number(8, 10) == 1 and number(10, 12) == 4
    assert number(16, 20) == 8000 and number(20, 24) == 8000 and data[120:128] == bytes(8)
    file_key = None
    for at in range(128, 128 + 6 * 144, 144):
        slot = data[at : at + 144]
        if slot[0] == 0 and slot[1] in (1, 2):  # 2: the file's share is the pre-shared key, the file's id its name
            psk = (share, data[24:40]) if slot[1] == 2 else ()
            opened, public = hpke_open(secret, slot[22:54], b"cfrec v1" + fixed, slot[54:102], *psk)
            if slot[6:22] == hashlib.sha256(public).digest()[:16]:
                file_key = opened
    assert file_key, "sealed for other keys"
    derive = lambda label, n: hkdf(file_key, hashlib.sha256(fixed).digest(), label, n)
    assert mac(derive(b"cfrec header", 32), data[:1024]) == data[1024:1056], "the header is not authentic"
    payload, prefix, commit = Gcm(derive(b"cfrec payload", 32)), derive(b"cfrec nonce", 7), derive(b"cfrec commit", 16)

    def chunk(index, kind, sealed):
        place = index.to_bytes(4, "big") + bytes([kind])
        return payload.open(prefix + place, data[24:40] + place + (commit if index == 0 else b""), sealed)

    audio, tags, index, at = b"", b"", 0, 1056
    while at + 8016 <= len(data):
        opened = chunk(index, 0, data[at : at + 8016])
        assert opened is not None, f"chunk {index} is not authentic"
        audio, tags, index, at = audio + opened, tags + data[at + 8000 : at + 8016], index + 1, at + 8016
    facts = {"codec": data[12], "channels": data[13], "flags": number(14, 16), "call": data[56:72].hex()}
    facts |= {"start_ms": number(72, 80), "chunks": index, "ending": "interrupted"}
    last = chunk(index, 1, data[at:]) if len(data) - at >= 64 else None
    if last is not None:
        assert last[-32:] == hashlib.sha256(tags).digest(), "the final chunk is of other chunks"
        audio += last[:-48]
        frames, end_ms = int.from_bytes(last[-48:-40], "big"), int.from_bytes(last[-40:-32], "big")
        audio = audio[: frames * data[13]]
        facts |= {"ending": "complete", "frames": frames, "end_ms": end_ms}
    return facts | {"octets": len(audio), "audio": hashlib.sha256(audio).hexdigest()}


def self_test():
    h = bytes.fromhex
    scalar = h("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4")
    point = h("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c")
    out = "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"  # RFC 7748 section 5.2
    assert x25519(scalar, point).hex() == out
    block = Gcm(bytes(range(32))).block(h("00112233445566778899aabbccddeeff"))  # FIPS 197 appendix C.3
    assert block.hex() == "8ea2b7ca516745bfeafc49904b496089"
    key = h("feffe9928665731c6d6a8f9467308308" * 2)  # GCM specification, test case 16
    body = "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
    body += "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
    aad, tag = "feedfacedeadbeeffeedfacedeadbeefabaddad2", "76fc6ece0f4e1768cddf8853bb2d551b"
    text = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
    text += "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
    assert Gcm(key).open(h("cafebabefacedbaddecaf888"), h(aad), h(body + tag)).hex() == text
    assert hkdf(b"\x0b" * 22, bytes(range(13)), bytes(range(0xF0, 0xFA)), 8).hex() == "3cb25f25faacd57a"
    print("ok")


if __name__ == "__main__":
    if sys.argv[1] == "--self-test":
        self_test()
    else:
        with open(sys.argv[1], "rb") as file:
            keys = [bytes.fromhex(key) for key in sys.argv[2:]]
            print(json.dumps(read(file.read(), *keys), sort_keys=True))
