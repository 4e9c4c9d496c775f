"""Files of devices, assets and thing models with curl as the client: upload in one piece and in chunks, ranges, ETag, what is shown in
a browser and what is not, quota and its race, slow and broken uploads, a full disk, kill -9 in the middle, what is collected, and that
the check, a backup and its restore hold the files. SPDX-License-Identifier: Apache-2.0
"""
import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

from songhua import Problem, Songhua, skip

MIB = 1 << 20
PNG = bytes.fromhex("89504e470d0a1a0a0000000d4948445200000001000000010806000000"
                    "1f15c4890000000d49444154789c6360000002000001e221bc330000000049454e44ae426082")


def check(what, have, want):
    if have != want:
        sys.exit(f"{what}:\n have {have!r}\n want {want!r}")


def until(what, test, timeout_s=30):
    deadline = time.monotonic() + timeout_s
    while True:
        got = test()
        if got:
            return got
        if time.monotonic() > deadline:
            sys.exit(f"{what}: not after {timeout_s} s")
        time.sleep(0.05)


def sha(data):
    return hashlib.sha256(data).hexdigest()


class Curl:
    def __init__(self, s, folder):
        self.s, self.folder = s, folder

    def __call__(self, path, *more, data=None, token=None):
        """(status, headers, body)"""
        out, head = os.path.join(self.folder, "out"), os.path.join(self.folder, "head")
        for f in (out, head):
            if os.path.exists(f):
                os.unlink(f)
        command = ["curl", "-s", "-S", "-D", head, "-o", out, "-w", "%{http_code}", "-H", f"Authorization: Bearer {token or self.s.token}"]
        if data is not None:
            source = os.path.join(self.folder, "in")
            with open(source, "wb") as f:
                f.write(data)
            command += ["-X", "POST", "-H", "Content-Type: application/octet-stream", "-T", source]
        done = subprocess.run([*command, *more, f"http://127.0.0.1:{self.s.http}{path}"], capture_output=True, text=True, timeout=300)
        headers = {}
        if os.path.exists(head):
            with open(head, encoding="latin-1") as f:
                for line in f:
                    name, colon, value = line.partition(":")
                    if colon:
                        headers[name.strip().lower()] = value.strip()
        body = b""
        if os.path.exists(out):
            with open(out, "rb") as f:
                body = f.read()
        return int(done.stdout[-3:] or 0), headers, body

    def upload(self, path, name, data, *more, want=201, query=""):
        status, _, body = self(f"{path}/files?name={name}{query}", *more, data=data)
        check(f"upload of {name}", (status, body[:400] if status != want else b""), (want, b""))
        return json.loads(body)


def basics(s, curl, big):
    for path, media, show, data in (("a.png", "image/png", True, PNG), ("b.pdf", "application/pdf", True, b"%PDF-1.4\n%%EOF\n"),
                                    ("c.txt", "text/plain", True, "泵的说明\n".encode()), ("d.svg", "image/svg+xml", False, b"<svg onload='x()'/>"),
                                    ("e.png", "text/html", False, b"<html><script>x()</script>")):
        f = curl.upload("/api/v1/devices/pump", path, data, query="&kind=photo&note=%E5%A4%87%E6%B3%A8")
        check("what it is", (f["media"], f["inline"], f["kind"], f["note"], f["size"], f["sha256"], f["by"]),
              (media, show, "photo", "备注", len(data), sha(data), "person:admin"))
        at = f"/api/v1/devices/pump/files/{f['id']}/content"
        for inline in (False, True):
            status, head, body = curl(at + ("?inline=true" if inline else ""))
            check("content", (status, body), (200, data))
            check("never sniffed", head["x-content-type-options"], "nosniff")
            check("shown only what is harmless", head["content-disposition"].startswith("inline"), inline and show)
            check("type", head["content-type"].split(";")[0], media if show else "application/octet-stream")
            check("sandbox", "sandbox" in head["content-security-policy"], media != "application/pdf")
            check("policy", "default-src 'none'" in head["content-security-policy"], True)
    f = curl.upload("/api/v1/devices/pump", "%E6%89%8B%E5%86%8C.bin", big)
    at = f"/api/v1/devices/pump/files/{f['id']}/content"
    status, head, body = curl(at)
    check("all of it", (status, sha(body), head["content-length"], head["etag"]), (200, sha(big), str(len(big)), f'"{sha(big)}"'))
    check("its name", "filename*=UTF-8''%E6%89%8B%E5%86%8C.bin" in head["content-disposition"], True)
    for ask, a, b in (("0-99", 0, 100), ("1000000-", 1000000, len(big)), ("-5", len(big) - 5, len(big)), ("500000-2999999", 500000, 3000000)):
        status, head, body = curl(at, "-r", ask)
        check(f"range {ask}", (status, sha(body), head["content-range"]), (206, sha(big[a:b]), f"bytes {a}-{b - 1}/{len(big)}"))
    status, head, _ = curl(at, "-H", f"Range: bytes={len(big)}-")
    check("behind the end", (status, head["content-range"]), (416, f"bytes */{len(big)}"))
    check("several ranges are passed over", curl(at, "-H", "Range: bytes=0-1,3-4")[0], 200)
    check("If-Range of another version", curl(at, "-H", "Range: bytes=0-1", "-H", 'If-Range: "x"')[0], 200)
    check("not changed", curl(at, "-H", f'If-None-Match: "{sha(big)}"')[0], 304)
    status, head, body = curl(at, "-I")
    check("HEAD", (status, head["content-length"], body[:4] == b"HTTP" or body == b""), (200, str(len(big)), True))
    # a download that broke off goes on: curl -C
    part = os.path.join(curl.folder, "part")
    with open(part, "wb") as out:
        out.write(big[:1234567])
    subprocess.run(["curl", "-s", "-f", "-C", "-", "-o", part, "-H", f"Authorization: Bearer {s.token}", f"http://127.0.0.1:{s.http}{at}"], check=True)
    with open(part, "rb") as out:
        check("resumed", sha(out.read()), sha(big))
    again = curl.upload("/api/v1/devices/pump", "%E6%89%8B%E5%86%8C.bin", big, want=200)
    check("a repeated upload is the same file", again["id"], f["id"])
    chunked = curl.upload("/api/v1/assets/line", "plan.bin", big, "-H", "Transfer-Encoding: chunked")
    check("in chunks", (chunked["size"], chunked["sha256"]), (len(big), sha(big)))
    curl.upload("/api/v1/things/model", "empty.txt", b"")
    print("  upload, download, ranges, types", flush=True)
    return f


def changes(s, curl, f):
    at = f"/api/v1/devices/pump/files/{f['id']}"
    head = {"Content-Type": "application/json", "If-Match": f'"{f["revision"]}"'}
    new = s.call("PATCH", at, {"name": "新名.bin", "kind": "manual"}, headers=head)
    check("changed", (new["name"], new["kind"], new["edited"]["by"]), ("新名.bin", "manual", "person:admin"))
    for body, headers, status in (({"name": "x"}, head, 412), ({"name": "a/b"}, None, 400), ({"kind": "virus"}, None, 400)):
        try:
            s.call("PATCH", at, body, headers=headers)
            sys.exit(f"{body} was taken")
        except Problem as e:
            check("refused", e.status, status)
    for language, word in (("zh-CN", "文件名"), ("en", "1 to 200 bytes")):
        status, _, data = s.raw("POST", "/api/v1/devices/pump/files?name=..%2Fa", b"x", {"Accept-Language": language})
        check("in words", (status, word in json.loads(data)["detail"]), (400, True))
        s.disconnect()
    for path, status in (("/api/v1/devices/nobody", 404), ("/api/v1/assets/nobody", 404), ("/api/v1/things/nobody", 404)):
        check(path, curl(f"{path}/files?name=a", data=b"x")[0], status)
        check(path, s.raw("GET", f"{path}/files")[0], status)
    check("of another owner", s.raw("GET", f"/api/v1/devices/fan/files/{f['id']}/content")[0], 404)
    s.post("/api/v1/devices/pump/rename", {"to": "pump-2"})
    check("they follow a renaming", len(s.get("/api/v1/devices/pump-2/files")["items"]), 6)
    viewer = s.make_token(name="reader", permissions=["devices.read"])["token"]
    check("a reader does not store", curl("/api/v1/devices/pump-2/files?name=a", data=b"x", token=viewer)[0], 403)
    check("but reads", curl(f"/api/v1/devices/pump-2/files/{f['id']}/content", token=viewer)[0], 200)
    acts = [e["act"] for e in s.get("/api/v1/audit?limit=200")["items"]]
    check("audited", (acts.count("file.added"), acts.count("file.changed")), (8, 1))
    print("  changes, rights, audit", flush=True)


def quota(s, curl):
    s.post("/api/v1/tenants", {"path": "small", "name": "small", "quotas": {"storage_bytes": 3 * MIB}})
    s.post("/api/v1/devices?tenant=small", {"id": "d"})
    at = "/api/v1/devices/d/files?tenant=small&name="
    status, _, body = curl(at + "big", "-H", "Accept-Language: zh-CN", data=bytes(4 * MIB))
    check("over the quota", (status, "配额" in json.loads(body)["detail"]), (422, True))
    check("also in chunks", curl(at + "big", "-H", "Transfer-Encoding: chunked", data=bytes(4 * MIB))[0], 422)
    use = lambda: s.get("/api/v1/devices/d/files?tenant=small")["storage"]  # noqa: E731
    until("given back", lambda: use() == {"limit": 3 * MIB, "use": 0})
    # ten at once, of which three fit
    done = []

    def one(i):
        head = {"Authorization": f"Bearer {s.token}"}
        import http.client
        c = http.client.HTTPConnection("127.0.0.1", s.http, timeout=60)
        try:
            c.request("POST", at + f"f{i}", bytes([i]) * MIB, head)
            done.append(c.getresponse().status)
        except OSError:
            done.append(422)  # refused while it still sent
        c.close()

    threads = [threading.Thread(target=one, args=(i,)) for i in range(10)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    check("a race has three winners", (done.count(201), done.count(422)), (3, 7))
    check("used", use()["use"], 3 * MIB)
    items = s.get("/api/v1/devices/d/files?tenant=small")["items"]
    s.delete(f"/api/v1/devices/d/files/{items[0]['id']}?tenant=small")
    check("counted while it can come back", use()["use"], 3 * MIB)
    s.delete(f"/api/v1/devices/d/files/{items[0]['id']}?tenant=small&deleted=1")
    check("less after a removal for good", use()["use"], 2 * MIB)
    s.delete("/api/v1/devices/d?tenant=small")
    check("and none when the device is gone", s.get("/api/v1/tenants/small")["use"]["storage_bytes"], 0)
    print("  quota", flush=True)


def deleted(s):
    """A deleted file can come back for some days: listed apart, not to be read, over a kill -9; for good when somebody says so."""
    at = "/api/v1/devices/pump-9/files"
    s.post("/api/v1/devices", {"id": "pump-9"})
    one = json.loads(s.raw("POST", f"{at}?name=a.txt", b"text", {"Authorization": f"Bearer {s.token}"})[2])
    path = f"{at}/{one['id']}"
    s.delete(path)
    for restart in (False, True):
        if restart:
            s.stop(kill=True)
            s.start()
        check("not there", s.get(at)["items"], [])
        gone = s.get(f"{at}?deleted=1")["items"]
        check("among the deleted", [(g["id"], g["name"], g["deleted"]["by"], g["deleted"]["until"] > g["deleted"]["time"]) for g in gone], [(one["id"], "a.txt", "person:admin", True)])
        check("not to be read", s.raw("GET", path + "/content")[0], 404)
        check("nor changed", s.raw("PATCH", path, b'{"note":"x"}', {"Content-Type": "application/json"})[0], 404)
        check("nor deleted again", s.raw("DELETE", path)[0], 404)
    back = s.post(path + "/restore", {})
    check("back", (back["id"], "deleted" in back, s.raw("GET", path + "/content")[2]), (one["id"], False, b"text"))
    check("once", s.raw("POST", path + "/restore", b"{}", {"Content-Type": "application/json"})[0], 404)
    check("not for good while it is there", s.raw("DELETE", path + "?deleted=1")[0], 404)
    s.delete(path)
    same = json.loads(s.raw("POST", f"{at}?name=a.txt", b"text")[2])
    check("the same again is another file", same["id"] != one["id"], True)
    status, _, body = s.raw("POST", path + "/restore", b"{}", {"Content-Type": "application/json", "Accept-Language": "zh-CN"})
    check("then the old one stays away", (status, json.loads(body)["code"], "重新上传" in json.loads(body)["detail"]), (409, "exists", True))
    s.delete(path + "?deleted=1")
    check("gone for good", s.get(f"{at}?deleted=1")["items"], [])
    check("its content is the other's", s.raw("GET", f"{at}/{same['id']}/content")[2], b"text")
    acts = [e["act"] for e in s.get("/api/v1/audit?object=pump-9&limit=20")["items"]]
    check("audited", [acts.count(a) for a in ("file.deleted", "file.restored", "file.purged")], [2, 1, 1])
    s.delete("/api/v1/devices/pump-9")
    print("  deleted files", flush=True)


def contents(s):
    """Contents without a file (POST blobs) are in the quota: once for the same, never beyond it, over a restart, and out of it with a file."""
    s.post("/api/v1/tenants", {"path": "blobs", "name": "blobs", "quotas": {"storage_bytes": 3 * MIB}})
    s.post("/api/v1/devices?tenant=blobs", {"id": "d"})
    use = lambda: s.get("/api/v1/tenants/blobs")["use"]["storage_bytes"]  # noqa: E731
    at = "/api/v1/blobs?tenant=blobs"
    head = {"Authorization": f"Bearer {s.token}"}
    for _ in range(2):
        status, _, body = s.raw("POST", at, b"a" * MIB, head)
        check("stored, counted once", (status, json.loads(body)["size"], use()), (201, MIB, MIB))
    done = []

    def one(i):
        import http.client
        c = http.client.HTTPConnection("127.0.0.1", s.http, timeout=60)
        c.request("POST", at, bytes([i]) * MIB, {**head, "Accept-Language": "zh-CN"})
        answer = c.getresponse()
        done.append((answer.status, "配额" in answer.read().decode()))
        c.close()

    threads = [threading.Thread(target=one, args=(i,)) for i in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    check("a race fills it and no more", (done.count((201, False)), done.count((422, True))), (2, 6))
    check("full", use(), 3 * MIB)
    check("no file fits either", s.raw("POST", "/api/v1/devices/d/files?tenant=blobs&name=x", b"x", head)[0], 422)
    s.stop(kill=True)
    s.start()
    head["Authorization"] = f"Bearer {s.token}"
    check("counted after a start", use(), 3 * MIB)
    s.put("/api/v1/tenants/blobs", {"name": "blobs", "quotas": {"storage_bytes": 5 * MIB}})
    file = "/api/v1/devices/d/files?tenant=blobs&name="
    status, _, body = s.raw("POST", file + "a", b"a" * MIB, head)
    check("a file of such a content takes it over", (status, use()), (201, 3 * MIB))
    check("and another one counts", (s.raw("POST", file + "b", b"a" * MIB, head)[0], use()), (201, 4 * MIB))
    check("the content is there", s.raw("POST", at, b"a" * MIB, head)[0], 201)
    check("and not counted again", use(), 4 * MIB)
    print("  contents", flush=True)


def head_of(s, name, length):
    return (f"POST /api/v1/devices/fan/files?name={name} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {s.token}\r\n"
            f"Content-Length: {length}\r\n\r\n").encode()


def broken(s, curl):
    """Who leaves in the middle, sends too much or nothing more: nothing is kept, and the memory stays bounded."""
    before = s.memory_kib()
    held = []
    for i in range(20):
        c = socket.create_connection(("127.0.0.1", s.http), 30)
        c.sendall(head_of(s, f"broken{i}", 7 * MIB))
        c.sendall(bytes(2 * MIB))
        held.append(c)
    until("they are on the way", lambda: len(os.listdir(os.path.join(s.data, "blobs/tmp"))) == 20)
    check("bounded", s.memory_kib() - before < 60 * 1024, True)
    check("the rest works", curl.upload("/api/v1/devices/fan", "ok.txt", b"fine")["size"], 4)
    for c in held:
        c.close()
    until("forgotten", lambda: os.listdir(os.path.join(s.data, "blobs/tmp")) == [])
    until("given back", lambda: s.get("/api/v1/devices/fan/files")["storage"]["use"] < 40 * MIB)
    status, _, body = curl("/api/v1/devices/fan/files?name=a", "-H", "Expect:", data=bytes(9 * MIB))
    check("larger than one may be", (status, json.loads(body)["code"]), (413, "limit"))
    check("in chunks too", curl("/api/v1/devices/fan/files?name=a", "-H", "Transfer-Encoding: chunked", data=bytes(9 * MIB))[0], 413)
    check("refused before the body", curl("/api/v1/devices/fan/files?name=a&kind=x", "-H", "Expect: 100-continue", data=bytes(5 * MIB))[0], 400)
    # so many at once and no more
    held = []
    for i in range(32):
        c = socket.create_connection(("127.0.0.1", s.http), 30)
        c.sendall(head_of(s, f"held{i}", MIB))
        held.append(c)
    until("32 wait", lambda: len(os.listdir(os.path.join(s.data, "blobs/tmp"))) == 32)
    status, head, _ = curl("/api/v1/devices/fan/files?name=a", data=b"x")
    check("the next waits its turn", (status, "retry-after" in head), (503, True))
    for c in held:
        c.close()
    until("room again", lambda: curl("/api/v1/devices/fan/files?name=a", data=b"x")[0] in (200, 201))
    print("  broken uploads", flush=True)


def killed(s, curl):
    """kill -9 while files come: what was acknowledged is there, what was not is not, and nothing lies about."""
    acked, stop = {}, threading.Event()

    def load(i):
        import http.client
        k = 0
        while not stop.is_set():
            data = os.urandom(300000 + k)
            c = http.client.HTTPConnection("127.0.0.1", s.http, timeout=60)
            try:
                c.request("POST", f"/api/v1/devices/fan/files?name=k{i}-{k}", data, {"Authorization": f"Bearer {s.token}"})
                a = c.getresponse()
                if a.status == 201:
                    acked[json.loads(a.read())["id"]] = sha(data)
            except (OSError, http.client.HTTPException):
                return
            finally:
                c.close()
            k += 1

    threads = [threading.Thread(target=load, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    until("some are in", lambda: len(acked) >= 12, 60)
    s.stop(kill=True)
    stop.set()
    for t in threads:
        t.join()
    stray = os.path.join(s.data, "blobs", "ab", "ab" + "0" * 62)  # a crash between renaming and the row
    os.makedirs(os.path.dirname(stray), exist_ok=True)
    with open(stray, "wb") as f:
        f.write(b"stray")
    s.start()
    check("no unfinished ones", os.listdir(os.path.join(s.data, "blobs/tmp")), [])
    items = {f["id"]: f for f in s.get("/api/v1/devices/fan/files")["items"]}
    for name, digest in acked.items():
        check("an acknowledged file", (items[name]["sha256"], sha(curl(f"/api/v1/devices/fan/files/{name}/content")[2])), (digest, digest))
    total = sum(f["size"] for owner in ("devices/fan", "devices/pump-2", "assets/line", "things/model") for f in s.get(f"/api/v1/{owner}/files")["items"])
    use = s.get("/api/v1/devices/fan/files")["storage"]["use"] - s.get("/api/v1/tenants/blobs")["use"]["storage_bytes"]
    if not total <= use <= total + 4 * 310000:  # a content whose file was not made any more counts until it is collected
        sys.exit(f"the quota after a start: {use}, files have {total}")
    until("what nobody knows is swept", lambda: not os.path.exists(stray), 60)
    print(f"  kill -9: {len(acked)} acknowledged files are whole", flush=True)


def kept(s, curl, f, big, folder):
    """The check, a backup and its restore."""
    s.post("/api/v1/backups")
    ready = until("the backup", lambda: s.get("/api/v1/backups")["items"], 120)
    at = os.path.join(s.settings["backup.dir"], ready[0]["id"])
    s.stop()
    done = subprocess.run([s.path, "check", "--history", "--json", "--data", s.data], capture_output=True, text=True, timeout=120)
    read = json.loads(done.stdout)
    check("checked", (read["problems"], read["read"]["files"] > 10), ([], True))
    one = os.path.join(s.data, "blobs", sha(big)[:2], sha(big))
    with open(one, "r+b") as x:
        x.seek(1000)
        x.write(b"\xff\x00\xff")
    done = subprocess.run([s.path, "check", "--history", "--json", "--data", s.data], capture_output=True, text=True, timeout=120)
    check("damage is found", [p["file"] for p in json.loads(done.stdout)["problems"]], [one])
    to = os.path.join(folder, "restored")
    done = subprocess.run([s.path, "restore", "--from", at, "--data", to], capture_output=True, text=True, timeout=120)
    check("restored", (done.returncode, done.stderr[-400:] if done.returncode else ""), (0, ""))
    with Songhua(data=to) as r:
        body = Curl(r, folder)(f"/api/v1/devices/pump-2/files/{f['id']}/content")[2]
        check("whole after a restore", sha(body), sha(big))
    print("  check, backup, restore", flush=True)


def full_disk(root):
    """In a small file system: a file that does not fit is refused, those before stay, and there is room again when it is gone."""
    with Songhua({"api.file_bytes": "64MiB"}, data=os.path.join(root, "data")) as s:
        s.post("/api/v1/devices", {"id": "fan"})
        curl = Curl(s, tempfile.mkdtemp(dir="/tmp"))
        keep = curl.upload("/api/v1/devices/fan", "keep", os.urandom(4 * MIB))
        status, _, body = curl("/api/v1/devices/fan/files?name=big", data=os.urandom(60 * MIB))
        check("does not fit", (status, json.loads(body)["code"]), (507, "disk_full"))
        until("nothing is left of it", lambda: os.listdir(os.path.join(s.data, "blobs/tmp")) == [])
        check("the others stay", [f["id"] for f in s.get("/api/v1/devices/fan/files")["items"]], [keep["id"]])
        until("there is room", lambda: curl("/api/v1/devices/fan/files?name=more", data=os.urandom(MIB))[0] == 201)
        shutil.rmtree(curl.folder)
    print("  full disk", flush=True)


def inside(root):
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={64 * MIB}", "tmpfs", root], capture_output=True).returncode != 0:
        print("  full disk: no tmpfs can be mounted here")
        return
    full_disk(root)


def small_disk():
    root = tempfile.mkdtemp(prefix="songhua-files-")
    try:
        if subprocess.run(["unshare", "-m", "--propagation", "private", "true"], capture_output=True).returncode != 0:
            print("  full disk: a mount namespace is not allowed here")
            return
        code = subprocess.run(["unshare", "-m", "--propagation", "private", sys.executable, "-B", os.path.abspath(__file__), root]).returncode
    finally:
        os.rmdir(root)
    check("full disk", code, 0)


def removed_together(s):
    """Devices that are deleted at once take their files and what those use with them."""
    before = s.get("/api/v1/devices")["total"]
    for name in ("gone-1", "gone-2"):
        s.post("/api/v1/devices", {"id": name})
    made = s.call("POST", "/api/v1/devices/gone-1/files?name=x.txt", b"hello", "text/plain")
    assert made["size"] == 5, made
    use = s.get("/api/v1/devices/gone-2/files")["storage"]["use"]
    answer = s.post("/api/v1/devices/bulk/delete", {"ids": ["gone-1", "gone-2"]})
    assert answer["changed"] == 2, answer
    s.post("/api/v1/devices", {"id": "gone-1"})
    left = s.get("/api/v1/devices/gone-1/files")
    assert (left["items"], left["storage"]["use"]) == ([], use - 5), left
    s.call("DELETE", "/api/v1/devices/gone-1")
    assert s.get("/api/v1/devices")["total"] == before


def main():
    if len(sys.argv) > 1:
        inside(sys.argv[1])
        return
    if shutil.which("curl") is None:
        skip("there is no curl")
    folder = tempfile.mkdtemp(prefix="songhua-files-")
    big = os.urandom(5 * MIB + 321)
    try:
        with Songhua({"api.file_bytes": "8MiB", "backup.dir": os.path.join(folder, "backups")}) as s:
            curl = Curl(s, folder)
            s.post("/api/v1/devices", {"id": "pump"})
            s.post("/api/v1/devices", {"id": "fan"})
            s.post("/api/v1/assets", {"id": "line", "kind": "line", "name": "L"})
            s.post("/api/v1/things", {"id": "model", "properties": []})
            f = basics(s, curl, big)
            changes(s, curl, f)
            removed_together(s)
            quota(s, curl)
            contents(s)
            deleted(s)
            broken_limit = s.settings["api.file_bytes"]
            check("limit", broken_limit, "8MiB")
            broken(s, curl)
            killed(s, curl)
            kept(s, curl, f, big, folder)
        small_disk()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print("files ok")


if __name__ == "__main__":
    main()
