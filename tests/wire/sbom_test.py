"""The software bill of materials: what the binary's dynamic section names and what the console's lock file names is in it, with versions
and licences; it keeps the rules of CycloneDX 1.5 that can be checked without its schema; the same input gives the same bytes; the
command, the route and the file beside the binary are one.
SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

from songhua import ROOT, Songhua, skip

TYPES = {"application", "framework", "library", "container", "platform", "operating-system", "device", "device-driver", "firmware", "file",
         "machine-learning-model", "data"}
SPDX = {"Apache-2.0", "MIT", "ISC", "BSD-2-Clause", "BSD-3-Clause", "0BSD", "CC0-1.0", "Unlicense", "Zlib", "curl", "blessing", "LGPL-2.1-or-later",
        "LGPL-2.1-only"}


def check(what, have, want):
    if have != want:
        sys.exit(f"{what}:\n have {have!r}\n want {want!r}")


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def rules(bom):
    """CycloneDX 1.5 (JSON): required members, closed sets of words, references that are unique and lead somewhere."""
    check("bomFormat, specVersion, version", (bom["bomFormat"], bom["specVersion"], bom["version"]), ("CycloneDX", "1.5", 1))
    check("members", set(bom) <= {"$schema", "bomFormat", "specVersion", "serialNumber", "version", "metadata", "components", "dependencies"}, True)
    parts = [bom["metadata"]["component"], *bom["components"]]
    refs = [c["bom-ref"] for c in parts]
    check("references are unique", len(set(refs)), len(refs))
    for c in parts:
        check(f"{c['bom-ref']}: type", c["type"] in TYPES, True)
        check(f"{c['bom-ref']}: name and version", bool(c["name"] and c["version"]), True)
        check(f"{c['bom-ref']}: purl", bool(re.fullmatch(r"pkg:(deb/debian|npm|generic)/[^ ]+@[^ ]+", c["purl"])), True)
        check(f"{c['bom-ref']}: licences", len(c["licenses"]), 1)
        licence = c["licenses"][0]
        check(f"{c['bom-ref']}: id or expression", set(licence) in ({"license"}, {"expression"}), True)
        for h in c.get("hashes", []):
            check(f"{c['bom-ref']}: hash", (h["alg"], bool(re.fullmatch("[0-9a-f]{128}", h["content"]))), ("SHA-512", True))
    seen = [d["ref"] for d in bom["dependencies"]]
    check("each part has its dependencies once", sorted(seen), sorted(refs))
    for d in bom["dependencies"]:
        check(f"{d['ref']} leads somewhere", set(d["dependsOn"]) <= set(refs), True)
        check(f"{d['ref']}: each once", len(set(d["dependsOn"])), len(d["dependsOn"]))


def licences(bom, sanitizers):
    for c in bom["components"]:
        words = c["licenses"][0].get("expression") or c["licenses"][0]["license"]["id"]
        if not any(w in SPDX for w in re.split(r" OR ", words)) and not (sanitizers and "GCC-exception" in words):
            sys.exit(f"{c['name']}: {words} is not compatible")


def whole(bom, binary):
    needed = set(re.findall(r"NEEDED +(\S+)", output("objdump", "-p", binary)))
    named = {p["name"].rpartition(":")[2] for c in bom["components"] for p in c.get("properties", [])}
    check("libraries that are linked", named, needed)
    with open(os.path.join(ROOT, "web", "package-lock.json"), encoding="utf-8") as f:
        packages = json.load(f)["packages"]
    want = {(p.rpartition("node_modules/")[2], e["version"]) for p, e in packages.items() if p and not e.get("dev") and not e.get("devOptional")}
    have = {(f"{c['group']}/{c['name']}" if "group" in c else c["name"], c["version"]) for c in bom["components"] if c["purl"].startswith("pkg:npm/")}
    check("packages of the console", have, want)
    for c in bom["components"]:
        if c["purl"].startswith("pkg:deb/"):
            check(f"version of {c['name']}", output("dpkg-query", "-W", "-f", "${Version}", c["name"]), c["version"])


def main():
    for tool in ("objdump", "dpkg-query"):
        if shutil.which(tool) is None:
            skip(f"{tool} is not here")
    with Songhua() as s:
        beside = os.path.join(os.path.dirname(s.path), "sbom.cdx.json")
        with open(beside, "rb") as f:
            text = f.read()
        status, head, data = s.raw("GET", "/api/v1/sbom")
        check("route", (status, head["Content-Type"], data == text), (200, "application/vnd.cyclonedx+json; version=1.5", True))
        token = s.make_token(name="v", roles=["viewer"])["token"]
        check("not for all", s.raw("GET", "/api/v1/sbom", headers={"Authorization": "Bearer " + token})[0], 403)
        check("command", output(s.path, "version", "--sbom").encode() == text, True)
        bom = json.loads(text)
        rules(bom)
        whole(bom, s.path)
        licences(bom, "asan" in text.decode() or "tsan" in text.decode())
        version = output(s.path, "version").split()[1]
        check("version", bom["metadata"]["component"]["version"], version)
    with tempfile.TemporaryDirectory() as folder:
        again = os.path.join(folder, "again.json")
        node = os.pathsep.join([os.path.join(ROOT, "build", "node", "bin"), os.environ["PATH"]])
        tool = [os.path.join(ROOT, "tools", "sbom"), s.path]
        lock = os.path.join(ROOT, "web", "package-lock.json")
        subprocess.run([*tool, lock, version, again], check=True, env=dict(os.environ, PATH=node))
        with open(again, "rb") as f:
            check("made again", f.read() == text, True)
        with open(lock, encoding="utf-8") as f:
            changed = json.load(f)
        next(e for p, e in changed["packages"].items() if p and not e.get("dev"))["license"] = "GPL-3.0-only"
        with open(os.path.join(folder, "lock.json"), "w", encoding="utf-8") as f:
            json.dump(changed, f)
        bad = subprocess.run([*tool, f.name, version, again], check=False, capture_output=True, text=True, env=dict(os.environ, PATH=node))
        check("a licence that does not fit stops the build", (bad.returncode, "GPL-3.0-only" in bad.stderr), (1, True))


main()
