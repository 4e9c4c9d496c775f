"""keys/ring and what is sealed with its keys, read as src/crypto/include/sh/ring.h and crypto.h describe the formats, by another implementation.
SPDX-License-Identifier: Apache-2.0
"""
import base64
import hashlib
import hmac
import json
import os
import sqlite3

from songhua import skip

try:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
except ImportError:
    skip("python3-cryptography is not installed")


def hmac_sm3(key, data):
    """RFC 2104 over hashlib's SM3, which OpenSSL brings."""
    block = key.ljust(64, b"\0") if len(key) <= 64 else hashlib.new("sm3", key).digest().ljust(64, b"\0")
    inner = hashlib.new("sm3", bytes(b ^ 0x36 for b in block) + data).digest()
    return hashlib.new("sm3", bytes(b ^ 0x5C for b in block) + inner).digest()


def derive(key, label):
    return hmac.new(key, label, hashlib.sha256).digest()


def unbox(key, context, box):
    """(key id, plain text) of a secret box."""
    kind, number = box[0], int.from_bytes(box[1:5], "little")
    if kind == 1:
        return number, AESGCM(key).decrypt(box[5:17], box[17:], box[:17] + context)
    head, body, tag = box[:21], box[21:-32], box[-32:]
    seen = hmac_sm3(derive(key, b"box sm4 authenticate"), len(context).to_bytes(8, "little") + context + head + body)
    if not hmac.compare_digest(seen, tag):
        raise ValueError("the tag does not fit")
    cipher = Cipher(algorithms.SM4(derive(key, b"box sm4 encrypt")[:16]), modes.CTR(box[5:21])).decryptor()
    return number, cipher.update(body) + cipher.finalize()


def master_of(data):
    with open(os.path.join(data, "keys", "node.key"), encoding="ascii") as f:
        return bytes.fromhex(f.read().split()[1])


def ring_of(data, master=None, by="file"):
    """The ring, opened by the master key of a file or of the environment."""
    with open(os.path.join(data, "keys", "ring"), encoding="utf-8") as f:
        ring = json.load(f)
    wrap = next(w for w in ring["wraps"] if w["by"] == by)
    _, key = unbox(derive(master or master_of(data), b"ring wrap"), b"ring", base64.b64decode(wrap["box"]))
    _, body = unbox(key, b"ring body", base64.b64decode(ring["body"]))
    return json.loads(body)


def stored_boxes(data, kind, member):
    """{id: box} of the documents of a kind of the guard in songhua.db."""
    with sqlite3.connect(os.path.join(data, "songhua.db")) as db:
        rows = db.execute("SELECT id, doc FROM rec WHERE type = ?", (f"_guard.{kind}",)).fetchall()
    docs = {name: json.loads(doc if isinstance(doc, str) else doc.decode()) for name, doc in rows}
    return {name: base64.b64decode(doc[member]) for name, doc in docs.items() if doc.get(member)}
