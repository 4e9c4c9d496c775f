"""Copies of backups on an SFTP server: OpenSSH's own, run by this test on a loopback port with keys of its own.

A server that is not known or shows another key gets nothing; copies are complete and small; breaks in the middle, a kill -9, a server that
refuses, stalls or is full; old copies go and take nothing of the others along; another node's folder is left alone; and the way back, by
the server and by the command line, up to a restored node that has the samples.
SPDX-License-Identifier: Apache-2.0
"""
import asyncio
import glob
import hashlib
import json
import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from urllib.parse import quote

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "fault"))
from crash_test import T, check
from songhua import Problem, Songhua, binary, free_ports, skip, until

WAIT_S = 90
SSHD = shutil.which("sshd") or "/usr/sbin/sshd"
USER = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()


def keygen(path, kind="ed25519", words=""):
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", words, "-C", "test", "-f", path], check=True)
    return path


def fingerprint(path):
    return subprocess.run(["ssh-keygen", "-lf", path + ".pub"], capture_output=True, text=True, check=True).stdout.split()[1]


class Sshd:
    """One sshd in the foreground; ended by its own pid."""

    def __init__(self, folder, more="", file_limit=None, host_keys=("ed25519", "ecdsa")):
        self.dir = tempfile.mkdtemp(prefix="sshd-", dir=folder)
        self.host = {k: keygen(os.path.join(self.dir, "host_" + k), k) for k in host_keys}
        self.user = {"plain": keygen(os.path.join(self.dir, "user")), "ecdsa": keygen(os.path.join(self.dir, "user_ecdsa"), "ecdsa"),
                     "sealed": keygen(os.path.join(self.dir, "user_sealed"), words="open sesame"), "stranger": keygen(os.path.join(self.dir, "stranger"))}
        keys = os.path.join(self.dir, "authorized_keys")
        with open(keys, "w", encoding="ascii") as f:
            for name in ("plain", "ecdsa", "sealed"):
                with open(self.user[name] + ".pub", encoding="ascii") as pub:
                    f.write(pub.read())
        self.config = os.path.join(self.dir, "config")
        self.files = os.path.join(self.dir, "files")
        os.mkdir(self.files)
        (self.port,) = free_ports(1)
        with open(self.config, "w", encoding="ascii") as f:
            f.write(f"Port {self.port}\nListenAddress 127.0.0.1\nPidFile none\nAuthorizedKeysFile {keys}\nStrictModes no\nUsePAM no\n"
                    f"PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\nMaxStartups 50\n"
                    + (more or "Subsystem sftp internal-sftp\n") + "".join(f"HostKey {k}\n" for k in self.host.values()))
        if os.geteuid() == 0:
            os.makedirs("/run/sshd", mode=0o755, exist_ok=True)  # where sshd locks itself in before the key is proved
        self.limit = file_limit
        self.log = os.path.join(self.dir, "log")
        self.process = None
        self.start()

    def start(self):
        def limited():
            resource.setrlimit(resource.RLIMIT_FSIZE, (self.limit, self.limit))

        # restore_signals=False: SIGXFSZ stays ignored, so that a write over the limit fails as on a full disk
        self.process = subprocess.Popen([SSHD, "-D", "-e", "-f", self.config], stderr=open(self.log, "ab"), restore_signals=False,
                                        preexec_fn=limited if self.limit else None)

        def listens():
            if self.process.poll() is not None:
                with open(self.log, encoding="utf-8", errors="replace") as f:
                    sys.exit(f"sshd ended: {f.read()}")
            with socket.socket() as c:
                return c.connect_ex(("127.0.0.1", self.port)) == 0

        until("sshd listens", listens)

    def url(self, name="node", port=None):
        return f"sftp://{quote(USER)}@127.0.0.1:{port or self.port}{quote(self.files)}/{name}"

    def settings(self, name="node", port=None, key="plain"):
        return {"backup.sftp": self.url(name, port), "backup.sftp_host_key": fingerprint(self.host["ed25519"]), "backup.sftp_key": self.user[key]}

    def stop(self):
        self.process.kill()
        self.process.wait()


class Proxy:
    """Between the node and sshd: cuts or stalls connections after so many bytes."""

    def __init__(self, port):
        self.to = port
        self.cut_after = []  # one entry a connection; none: let it through
        self.stall = threading.Event()
        self.seen = 0
        self.cuts = 0
        self.ears = socket.create_server(("127.0.0.1", 0))
        self.port = self.ears.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                a, _ = self.ears.accept()
            except OSError:
                return
            try:
                b = socket.create_connection(("127.0.0.1", self.to))
            except OSError:
                a.close()
                continue
            limit = self.cut_after.pop(0) if self.cut_after else None
            threading.Thread(target=self.carry, args=(a, b, limit), daemon=True).start()
            threading.Thread(target=self.carry, args=(b, a, None), daemon=True).start()

    def carry(self, a, b, limit):
        n = 0
        try:
            while True:
                data = a.recv(65536)
                if not data:
                    break
                while self.stall.is_set():
                    time.sleep(0.02)
                b.sendall(data)
                n += len(data)
                self.seen += len(data)
                if limit is not None and n > limit:
                    self.cuts += 1
                    break
        except OSError:
            pass
        for s in (a, b):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.ears.close()


# ---- what one sees of it


def remote(s):
    return s.get("/api/v1/backups")["remote"]


def state(s, backup):
    for i in s.get("/api/v1/backups")["items"]:
        if i["id"] == backup:
            return i["remote"]["state"]
    return None


def make(s):
    before = {i["id"] for i in s.get("/api/v1/backups")["items"]}
    until("nothing runs", lambda: begun(s))
    return until("a backup", lambda: next((i["id"] for i in s.get("/api/v1/backups")["items"] if i["id"] not in before and i["rehearsal"]), None))


def begun(s):
    try:
        s.post("/api/v1/backups")
        return True
    except Problem as p:
        check("busy", p.status, 409)
        return False


def idle(s):
    return s.get("/api/v1/backups")["running"] is None


def ask(s, path):
    """A POST that waits until nothing else runs."""
    def once():
        try:
            s.post(path)
            return True
        except Problem as p:
            if p.status != 409 or "being made" not in p.body["detail"]:
                raise
            return False
    until(path, once)


def copied(s, backup):
    def done():
        failure = remote(s)["last_failure"]
        if failure:
            sys.exit(f"a copy failed: {failure}")
        return state(s, backup) == "copied" and idle(s)
    until(f"{backup} is copied", done)


def failure(s, words):
    def now():
        f = remote(s)["last_failure"]
        if f and words not in f["text"] and idle(s):
            sys.exit(f"another failure than '{words}': {f}")
        return f and words in f["text"] and f
    f = until("a failure: " + words, now)
    check("a remedy", f["remedy"] != "", True)
    check("in the overview", "backup_copy_failed" in [p["code"] for p in s.get("/api/v1/overview")["problems"]], True)
    return f


def acts(s):
    return [(e["act"], e["result"]) for e in s.get("/api/v1/audit?limit=300")["items"]]


def objects(folder):
    return {os.path.basename(p): p for p in glob.glob(folder + "/objects/??/*")}


def whole(folder):
    """Every copy's manifest is there with all it names; returns the ids and whether something else lies there."""
    ids, named = set(), set()
    have = objects(folder)
    for path in glob.glob(folder + "/songhua-*/manifest.json"):
        with open(path, encoding="utf-8") as f:
            doc = json.load(f)
        check("its folder", os.path.basename(os.path.dirname(path)), doc["id"])
        ids.add(doc["id"])
        for e in doc["files"]:
            named.add(e["sha256"])
            with open(have[e["sha256"]], "rb") as f:
                data = f.read()
            check(e["path"], (len(data), hashlib.sha256(data).hexdigest()), (e["size"], e["sha256"]))
    return ids, set(have) - named


def same(a, b):
    """Two backups hold the same files."""
    def files(root):
        return {os.path.relpath(os.path.join(d, n), root): open(os.path.join(d, n), "rb").read() for d, _, names in os.walk(os.path.join(root, "data")) for n in names}
    check("the same files", files(a) == files(b), True)
    check("the same manifest", open(a + "/manifest.json", "rb").read() == open(b + "/manifest.json", "rb").read(), True)


def command(*words, ok=True):
    p = subprocess.run([binary(), *words], capture_output=True, text=True, timeout=WAIT_S, check=False)
    if (p.returncode == 0) != ok:
        sys.exit(f"{words}: ended with {p.returncode}\n{p.stdout}{p.stderr}")
    return p.stdout + p.stderr


def fill(s, name, n=500):
    s.write_lines("\n".join(f"{name} f={i}.5 {T + i}000" for i in range(n)))


# ---- the parts


def known_hosts(folder, sshd):
    """No key named, another one, the right one in each form; all while the node runs."""
    with Songhua({"backup.dir": os.path.join(folder, "a"), "backup.sftp": sshd.url(), "backup.sftp_key": sshd.user["plain"]}) as s:
        fill(s, "k")
        one = make(s)
        f = failure(s, "host key is not named")
        prints = [fingerprint(sshd.host[k]) for k in ("ed25519", "ecdsa")]
        check("the fingerprint is told", prints[0] in f["text"] and prints[0] in f["remedy"], True)
        check("nothing was sent", os.listdir(sshd.files), [])
        check("the local backup is whole", command("restore", "--from", os.path.join(folder, "a", one), "--data", os.path.join(folder, "a-back"))[:8], "songhua-")
        check("its state", state(s, one), "failed")
        check("audited", ("backup.copy_failed", "failed") in acts(s), True)

        def key(text):
            s.call("PATCH", "/api/v1/config", {"set": {"backup.sftp_host_key": text}, "note": "test"})
        key(fingerprint(sshd.user["plain"]))
        f = failure(s, "another host key")
        check("nothing was sent", os.listdir(sshd.files), [])
        try:
            key("SHA256:short")
            sys.exit("a host key that is none")
        except Problem as p:
            check("a host key that is none", p.status, 422)
        key(prints[0])
        copied(s, one)
        check("no failure is left", [p for p in s.get("/api/v1/overview")["problems"] if p["code"].startswith("backup")], [])
        with open(sshd.host["ecdsa"] + ".pub", encoding="ascii") as f:
            line = f.read().strip()
        for text in (prints[1], f"[127.0.0.1]:{sshd.port} " + line, line):  # the ECDSA key, though the server has a better one
            key(text)
            until("it looks", lambda: idle(s))
            before = remote(s)["looked"]
            ask(s, "/api/v1/backups/copies")
            until("it looked", lambda: idle(s) and remote(s)["looked"] != before)
            check("with " + text[:20], remote(s)["last_failure"], None)
        check("audited", ("backup.copied", "ok") in acts(s), True)
        check("metrics", "songhua_backup_copies_total 1" in s.raw("GET", "/metrics")[2].decode(), True)
        ids, rest = whole(sshd.files + "/node")
        check("complete", (ids, rest), ({one}, set()))
        check("what is there", [(i["id"], i["here"]) for i in remote(s)["items"]], [(one, True)])
    print("  host key: none, another, fingerprint and known_hosts line of each kind; the copy is complete")


def users(folder, sshd):
    """Keys of each kind, a stranger's, a file that is none."""
    settings = {"backup.dir": os.path.join(folder, "u"), **sshd.settings("users", key="ecdsa")}
    with Songhua(settings) as s:
        one = make(s)
        copied(s, one)
        for name, words in (("stranger", "does not let"), ("missing", "cannot be read"), ("host", "cannot be used"), ("sealed", "cannot be used")):
            path = {"missing": "/nonexistent/key", "host": sshd.config}.get(name, sshd.user.get(name))
            s.stop()
            s.settings["backup.sftp_key"] = path
            s.start()
            ask(s, "/api/v1/backups/copies")
            failure(s, words)
        s.stop()
        words = os.path.join(folder, "words")
        with open(words, "w", encoding="ascii") as f:
            f.write("open sesame\n")
        s.settings.update({"backup.sftp_key": sshd.user["sealed"], "backup.sftp_password_file": words})
        s.start()
        two = make(s)
        copied(s, two)
    print("  user: ed25519, ECDSA, a key under a passphrase; a stranger's, a missing file, one that is no key")


def broken(folder, sshd):
    """Cut in the middle again and again, stalled and cancelled, kill -9: it ends up whole, and what is there is not sent again."""
    proxy = Proxy(sshd.port)
    with Songhua({"backup.dir": os.path.join(folder, "b"), "backup.keep": "2", **sshd.settings("broken", proxy.port)}) as s:
        blobs = [os.urandom(700_000) for _ in range(6)]
        for b in blobs:
            s.post("/api/v1/blobs", b, "application/octet-stream")
        fill(s, "b")
        proxy.cut_after = [1_600_000, 1_200_000, 1_000_000]
        one = make(s)
        copied(s, one)
        check("it was cut", proxy.cuts, 3)
        check("told in the log", s.log_text().count("again in") >= 3, True)
        check("complete", whole(sshd.files + "/broken"), ({one}, set()))
        check("not sent again", proxy.seen < 4_200_000 + 3_000_000, True)
        proxy.seen = 0
        two = make(s)
        copied(s, two)
        check("only what is new is sent", proxy.seen < 2_000_000, True)

        # a server that says nothing any more: the node goes on, a cancel is seen at once, a new backup is not held up
        for b in range(3):
            s.post("/api/v1/blobs", os.urandom(900_000), "application/octet-stream")
        proxy.cut_after = []
        proxy.stall.set()
        three = make(s)
        until("it copies", lambda: (s.get("/api/v1/backups")["running"] or {}).get("step") == "copy")
        begin = time.monotonic()
        four = make(s)
        check("a backup by hand goes first", time.monotonic() - begin < 30, True)
        until("it copies", lambda: (s.get("/api/v1/backups")["running"] or {}).get("step") == "copy")
        begin = time.monotonic()
        s.delete("/api/v1/backups/running")
        until("it ends", lambda: idle(s))
        check("at once", time.monotonic() - begin < 5, True)
        check("it stays off until asked", state(s, four), "none")
        proxy.stall.clear()
        check("the older one is gone by backup.keep", state(s, one), None)
        s.post(f"/api/v1/backups/{three}/copy")
        copied(s, three)

        # kill -9 in the middle of a slow one
        s.stop()
        s.settings["backup.rate"] = "500KiB"
        s.start()
        s.post(f"/api/v1/backups/{four}/copy")
        s.post("/api/v1/blobs", os.urandom(2_500_000), "application/octet-stream")
        until("four is there", lambda: state(s, four) == "copied" and idle(s))
        s.stop()
        s.settings["backup.rehearse"] = "false"
        s.start()
        before = {i["id"] for i in s.get("/api/v1/backups")["items"]}
        s.post("/api/v1/backups")
        until("it copies", lambda: (lambda r: r and r["step"] == "copy" and r["done_bytes"] > 0)(s.get("/api/v1/backups")["running"]))
        s.stop(kill=True)
        (five,) = {os.path.basename(os.path.dirname(p)) for p in glob.glob(os.path.join(folder, "b", "songhua-*/manifest.json"))} - before
        check("it is no copy yet", five in whole(sshd.files + "/broken")[0], False)
        s.settings["backup.rate"] = "0"
        s.start()
        copied(s, five)
        check("complete", five in whole(sshd.files + "/broken")[0], True)
        check("a clean end while it copies", s.stop(), 0)
    proxy.close()
    print("  breaks: three cuts, a stall, a cancel, kill -9; it goes on where it was")


class Other:
    """AsyncSSH: another server than OpenSSH, by password, without fsync@openssh.com and statvfs@openssh.com."""

    def __init__(self, folder):
        import asyncssh

        self.files = os.path.join(folder, "other")
        os.mkdir(self.files)
        key = keygen(os.path.join(folder, "other_host"))
        self.fingerprint = fingerprint(key)
        root = self.files

        class Door(asyncssh.SSHServer):
            def begin_auth(self, _user):
                return True

            def password_auth_supported(self):
                return True

            def validate_password(self, user, password):
                return (user, password) == ("songhua", "letmein 松花")

        class Files(asyncssh.SFTPServer):
            def __init__(self, chan):
                super().__init__(chan, chroot=root)

            def fsync(self, _file):
                raise asyncssh.SFTPOpUnsupported("no")

            def statvfs(self, _path):
                raise asyncssh.SFTPOpUnsupported("no")

        self.loop = asyncio.new_event_loop()
        (self.port,) = free_ports(1)
        self.server = self.loop.run_until_complete(
            asyncssh.create_server(Door, "127.0.0.1", self.port, server_host_keys=[key], sftp_factory=Files))
        threading.Thread(target=self.loop.run_forever, daemon=True).start()


def by_password(folder):
    try:
        other = Other(folder)
    except ImportError:
        print("  by password: left out, there is no python3-asyncssh")
        return
    words = os.path.join(folder, "password")
    with open(words, "w", encoding="utf-8") as f:
        f.write("letmein 松花\n")
    target = {"backup.sftp": f"sftp://songhua@127.0.0.1:{other.port}/a/b", "backup.sftp_host_key": other.fingerprint, "backup.sftp_password_file": words}
    with Songhua({"backup.dir": os.path.join(folder, "p"), "backup.sftp_keep": "1", **target}) as s:
        for i in range(2):
            fill(s, f"p{i}", 50)
            one = make(s)
            copied(s, one)
        check("complete", whole(other.files + "/a/b"), ({one}, set()))
        to = os.path.join(folder, "p-back")
        command("backup", "fetch", "--from", target["backup.sftp"], "--host-key", other.fingerprint, "--password-file", words, "--to", to)
        same(os.path.join(to, one), os.path.join(folder, "p", one))
        with open(words, "w", encoding="utf-8") as f:
            f.write("another\n")
        ask(s, "/api/v1/backups/copies")
        failure(s, "by password")
        check("the password is told nowhere", "letmein" in s.log_text(), False)
    print("  another server, by password, that neither syncs nor tells its space")


def refusing(folder):
    """A server that only gives, one whose disk is full, one that is not there."""
    for name, sshd, words in (
        ("read-only", Sshd(folder, more="Subsystem sftp internal-sftp\nForceCommand internal-sftp -R\n"), "refused to make the folder"),
        ("full", Sshd(folder, file_limit=400_000), "refused to write a file"),
    ):
        with Songhua({"backup.dir": os.path.join(folder, name), **sshd.settings()}) as s:
            s.post("/api/v1/blobs", os.urandom(900_000), "application/octet-stream")
            one = make(s)
            failure(s, words)
            check("the local one stays", state(s, one), "failed")
            check("it is tried again", remote(s)["retry"] is not None, True)
            check("no copy", glob.glob(sshd.files + "/node/songhua-*"), [])
            if name == "full":
                sshd.stop()
                sshd.limit = None
                sshd.start()
                ask(s, f"/api/v1/backups/{one}/copy")
                until("copied", lambda: state(s, one) == "copied" and idle(s))
                check("complete", whole(sshd.files + "/node"), ({one}, set()))
        sshd.stop()
    print("  a server that refuses: read-only, full, and full no more")


def kept(folder, sshd):
    """Old copies go, what others name stays; another node does not touch them."""
    at = sshd.files + "/kept"
    with Songhua({"backup.dir": os.path.join(folder, "k"), "backup.sftp_keep": "2", **sshd.settings("kept")}) as s:
        ids = []
        for i in range(4):
            fill(s, f"k{i}", 200)
            s.post("/api/v1/blobs", os.urandom(10_000 + i), "application/octet-stream")
            ids.append(make(s))
            copied(s, ids[-1])
        check("two stay, whole, and nothing of the others", whole(at), (set(ids[2:]), set()))
        check("told", [state(s, i) for i in ids], ["none", "none", "copied", "copied"])
        check("what is there", [i["id"] for i in remote(s)["items"]], [ids[3], ids[2]])
        with Songhua({"backup.dir": os.path.join(folder, "k2"), **sshd.settings("kept")}) as other:
            make(other)
            f = failure(other, "another node")
            check("its remedy", "owner" in f["remedy"], True)
        check("untouched", whole(at), (set(ids[2:]), set()))
    print("  retention: two of four stay, with all that they name; another node is refused")


def back(folder, sshd):
    """A lost backup and a lost node."""
    at = os.path.join(folder, "back")
    with Songhua({"backup.dir": at, "backup.passphrase_file": os.path.join(folder, "words"), **sshd.settings("back")}) as s:
        fill(s, "lost", 1000)
        one = make(s)
        copied(s, one)
        kept_aside = os.path.join(folder, "aside")
        shutil.move(os.path.join(at, one), kept_aside)
        s.stop()
        s.start()
        ask(s, "/api/v1/backups/copies")
        until("it is seen", lambda: [(i["id"], i["here"]) for i in remote(s)["items"]] == [(one, False)])
        ask(s, f"/api/v1/backups/{one}/fetch")
        until("it is here", lambda: state(s, one) == "copied" and idle(s))
        same(os.path.join(at, one), kept_aside)
        for path, status in ((f"{one}/fetch", 409), ("songhua-20010101T000000Z/copy", 404), ("no-id/copy", 400)):
            try:
                s.post("/api/v1/backups/" + path)
                sys.exit(path)
            except Problem as p:
                check(path, p.status, status)
        ask(s, "/api/v1/backups/songhua-20010101T000000Z/fetch")
        failure(s, "no such copy")
        check("nothing is left of it", glob.glob(at + "/fetch*"), [])
        check("audited", ("backup.fetched", "ok") in acts(s), True)
    # the node is lost
    words = ["--from", sshd.url("back"), "--host-key", fingerprint(sshd.host["ed25519"]), "--key", sshd.user["plain"]]
    check("listed", command("backup", "list", *words), one + "\n")
    check("another key", "another host key" in command("backup", "list", *words[:2], "--host-key", fingerprint(sshd.user["plain"]), *words[4:], ok=False), True)
    to = os.path.join(folder, "to")
    check("fetched", "with keys" in command("backup", "fetch", *words, "--to", to), True)
    same(os.path.join(to, one), kept_aside)
    check("again", "is here already" in command("backup", "fetch", *words, "--id", one, "--to", to, ok=False), True)
    data = os.path.join(folder, "anew")
    command("restore", "--from", os.path.join(to, one), "--data", data, "--passphrase-file", os.path.join(folder, "words"))
    check("its history", "no problem was found" in command("check", "--history", "--data", data), True)
    with Songhua(data=data) as r:
        check("the samples", len(r.query(["lost/f"], 0, 4_000_000_000_000)["lost/f"]["time"]), 1000)
    # a changed byte there
    path = max(objects(sshd.files + "/back").values(), key=os.path.getsize)
    with open(path, "r+b") as f:
        f.seek(100)
        was = f.read(1)
        f.seek(100)
        f.write(bytes([was[0] ^ 1]))
    check("damage is found", "missing or damaged" in command("backup", "fetch", *words, "--to", to + "2", ok=False), True)
    check("nothing is left", os.listdir(to + "2"), [".lock"])
    check("what is wrong with a URL", "no user" in command("backup", "list", "--from", "sftp://host/x", ok=False), True)
    print("  back: by the server and the command line, up to a restored node; a changed byte is found")


def main():
    if not os.path.exists(SSHD) or not shutil.which("ssh-keygen"):
        skip("no sshd (Debian package openssh-server)")
    folder = tempfile.mkdtemp(prefix="songhua-sftp-")
    sshd = None
    try:
        sshd = Sshd(folder)
        known_hosts(folder, sshd)
        users(folder, sshd)
        kept(folder, sshd)
        back(folder, sshd)
        by_password(folder)
        refusing(folder)
        broken(folder, sshd)
    finally:
        if sshd:
            sshd.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
