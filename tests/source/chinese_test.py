"""Every sentence that the layers below the API say about a request has its Chinese in src/api/chinese.c, and every row there is said somewhere.
SPDX-License-Identifier: Apache-2.0
"""
import glob
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LITERALS = r'((?:"(?:[^"\\]|\\.)*"\s*)+)'
HAN = re.compile(r"[\u4e00-\u9fff]")
# Said to whoever starts, checks or repairs a node, in its log or on its terminal: not answers to a request.
NOT_ANSWERS = {"sqlite.c", "sqlite_care.c", "blob.c", "guard.c", "keyring.c", "twin.c"}
# Sentences that stand in another one, or are made by the caller's language already.
GENERIC = {"%s", "%s %s", "%s: %.200s", "%.*s %.*s", "%s (at byte %u)", "The permission %s (%s) is missing.",
           "Ask an administrator for a role that has it."}
# Rows for what is printed into another sentence.
INNER = {"system", "security", "audit",
         # of OpenSSL, in a sentence about a chain
         "certificate signature failure", "unable to get local issuer certificate", "unable to get issuer certificate",
         "unable to verify the first certificate", "self-signed certificate", "self-signed certificate in certificate chain",
         "certificate has expired", "certificate is not yet valid", "invalid CA certificate", "path length constraint exceeded",
         "CA signature digest algorithm too weak", "EE certificate key too weak", "CA certificate key too weak", "unhandled critical extension",
         "certificate chain too long",
         # of jansson, in the sentence about JSON, and what stands before a schema's words
         "string or '}' expected near %s", "'}' expected near %s", "']' expected near %s", "':' expected near %s", "unexpected token near %s",
         "invalid token near %s", "premature end of input near %s", "end of file expected near %s", "duplicate object key near %s", "end of file",
         "the document %s", "the schema %s"}
# What these calls say stands behind a place.
PLACED = {"schema_check.c": [r"\bbad\(c, at, [^,]*,\s*" + LITERALS],
          "schema.c": [r"\bfault\([^;]*?" + LITERALS + r"\)", r"snprintf\(text_of_fault[^;]*?" + LITERALS + ","]}
# All sentences of these are told, by whatever call.
WHOLE = {"trust.c", "trust_check.c", "trust_crl.c", "cert_door.c", "cert_try.c"}
SENTENCE = re.compile(r"[A-Z%][^\n]* .*\.$")


def text_of(literals):
    return "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', literals))


def said():
    """{format: file}: the texts of sh_diag_set, sh_diag_remedy and guard_provider_bad, all branches of a ?: included."""
    out = {}
    files = sorted(glob.glob(os.path.join(ROOT, "src", "crypto", "trust*.c")))
    for pattern in ("guard/*.c", "twin/*.c", "api/*.c", "record/*.c", "access/channels/*.c", "value/dataclass.c",
                    "base/json.c"):
        files += sorted(glob.glob(os.path.join(ROOT, "src", pattern)))
    for path in files:
        if os.path.basename(path) in NOT_ANSWERS:
            continue
        with open(path, encoding="utf-8") as f:
            source = f.read()
        if os.path.basename(path) in WHOLE:
            for literals in re.findall(LITERALS, source):
                if SENTENCE.match(text_of(literals)):
                    out.setdefault(text_of(literals), os.path.relpath(path, ROOT))
        if os.path.basename(path) in PLACED:
            for literals in (x for pattern in PLACED[os.path.basename(path)] for x in re.findall(pattern, source)):
                out.setdefault(text_of(literals), os.path.relpath(path, ROOT))
        for call in re.finditer(r"\b(?:sh_diag_(?:set|remedy)|guard_provider_bad)\(", source):
            depth, end, quoted = 1, call.end(), False
            while depth > 0:
                c = source[end]
                if quoted:
                    end += c == "\\"
                    quoted = c != '"'
                else:
                    quoted = c == '"'
                    depth += (c == "(") - (c == ")")
                end += 1
            body = source[call.end():end - 1]
            if call[0].startswith("guard_provider_bad"):  # a place, then both sentences
                for literals in re.findall(LITERALS, body)[1:]:
                    out.setdefault(text_of(literals), os.path.relpath(path, ROOT))
                continue
            first = body.split(",", 1)[1]
            choice = re.match(rf"[^\",]*\?\s*{LITERALS}:\s*{LITERALS}", first)
            plain = re.match(rf"\s*{LITERALS}", first)
            found = [choice[1], choice[2]] if choice else [plain[1]] if plain else []
            if any(HAN.search(x) for x in found):
                continue  # chosen by the caller's language there
            for literals in found:
                out.setdefault(text_of(literals), os.path.relpath(path, ROOT))
    return out


def rows():
    with open(os.path.join(ROOT, "src", "api", "chinese.c"), encoding="utf-8") as f:
        table = f.read().split("} rows[] = {", 1)[1].split("\n};", 1)[0]
    return [(text_of(m[1]), text_of(m[2])) for m in re.finditer(rf"\{{\s*{LITERALS},\s*{LITERALS}\}}", table)]


def main():
    have, sources, faults = rows(), said(), []
    english = [e for e, _ in have]
    for text, path in sorted(sources.items(), key=lambda x: x[1]):
        if text not in english and text not in GENERIC and not HAN.search(text):
            faults.append(f"{path}: no Chinese for: {text}")
    for e, zh in have:
        if english.count(e) > 1:
            faults.append(f"twice: {e}")
        if e not in sources and e not in INNER:
            faults.append(f"nobody says: {e}")
        conversions = len(re.findall(r"%[0-9.*lz]*[a-z]", e))
        named = {int(n) for n in re.findall(r"\{(\d)\}", zh)}
        if named != set(range(1, conversions + 1)):
            faults.append(f"places do not fit: {e} -> {zh}")
        if re.search(r"%[0-9.*lz]*[a-z]%", e):
            faults.append(f"two conversions without a text between them: {e}")
        if not HAN.search(zh) and conversions < 2:
            faults.append(f"not Chinese: {zh}")
    if len(sources) < 100 or len(have) < 100:
        faults.append(f"read too little: {len(sources)} sentences, {len(have)} rows")
    print("\n".join(faults) or f"{len(sources)} sentences, {len(have)} rows")
    sys.exit(1 if faults else 0)


main()
