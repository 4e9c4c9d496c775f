"""The Debian package as a plant meets it: built twice (this version, and one with a lower number), installed, its unit verified and
judged, the installed binary run as the unit's user by the unit's command line, upgraded with its data, removed, purged.
Needs root, and a machine without songhua; leaves it as it was, also when it fails. Everything it starts listens on loopback, on free ports.
SPDX-License-Identifier: Apache-2.0
"""
import http.client
import json
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "wire"))
from songhua import PASSWORD, free_ports, skip  # noqa: E402

LOWER = "0.0.9"
EXPOSURE = 15  # tenths: systemd-analyze calls up to 1.9 "OK"
UNIT = "/lib/systemd/system/songhua.service"
DATA = "/var/lib/songhua"
POLICY = "/usr/sbin/policy-rc.d"
# All that an installation may leave anywhere; after a purge none of it is there.
TRACES = [
    "/usr/bin/songhua", "/etc/songhua", DATA, UNIT, "/usr/share/doc/songhua", "/usr/share/songhua", "/var/lib/dpkg/info/songhua.list",
    "/etc/systemd/system/multi-user.target.wants/songhua.service", "/etc/systemd/system/songhua.service",
    "/var/lib/systemd/deb-systemd-helper-enabled/songhua.service.dsh-also",
    "/var/lib/systemd/deb-systemd-helper-enabled/multi-user.target.wants/songhua.service",
    "/var/lib/systemd/deb-systemd-helper-masked/songhua.service",
]


def run(*command, ok=True, timeout=120, **more):
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive", LC_ALL="C.UTF-8")
    for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL"):
        environment.pop(name, None)
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=timeout, check=False, env=environment, **more)
    if ok and done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: {done.returncode}\n{done.stdout[-4000:]}")
    return done


def dpkg(*arguments, ok=True):
    """dpkg; waits up to two minutes while another program holds its lock."""
    deadline = time.monotonic() + 120
    while True:
        done = run("dpkg", *arguments, ok=False)
        if "lock" not in done.stdout or done.returncode == 0 or time.monotonic() > deadline:
            break
        time.sleep(1)
    if ok and done.returncode != 0:
        raise AssertionError(f"dpkg {' '.join(arguments)}: {done.returncode}\n{done.stdout[-4000:]}")
    return done


def state():
    done = run("dpkg-query", "-W", "-f", "${db:Status-Status} ${Version}", "songhua", ok=False)
    return done.stdout if done.returncode == 0 else ""


def user_there():
    try:
        return pwd.getpwnam("songhua")
    except KeyError:
        return None


def traces():
    left = [path for path in TRACES if os.path.lexists(path)]
    if user_there():
        left.append("user songhua")
    if run("getent", "group", "songhua", ok=False).returncode == 0:
        left.append("group songhua")
    if state():
        left.append("dpkg: " + state())
    return left


def check_package(deb):
    fields = run("dpkg-deb", "-f", deb).stdout
    depends = re.search(r"^Depends: (.*)$", fields, re.M).group(1)
    assert "libssl3" in depends and "libuv1" in depends and "adduser" in depends, depends
    assert not re.search(r"-dev\b|gcc|cmake|python|node", depends), depends
    for line in run("dpkg-deb", "-c", deb).stdout.splitlines():
        mode, owner, path = line.split()[0], line.split()[1], line.split()[5]
        assert owner == "root/root", line
        assert "s" not in mode and mode[8] != "w", line
        assert path.startswith(("./etc/", "./lib/", "./usr/")) or path == "./", line


def check_settings():
    """Each key of the program stands in the file, with its default, and nothing else."""
    with open(os.path.join(ROOT, "src", "main", "keys.c"), encoding="utf-8") as f:
        keys = dict(re.findall(r'\{"([a-z0-9_.]+)",\s*SH_CONFIG_\w+,\s*"([^"]*)"', f.read()))
    section, found = "", {}
    with open("/etc/songhua/songhua.conf", encoding="utf-8") as f:
        text = f.read()
    for line in text.splitlines():
        if line.startswith("["):
            section = line[1:-1] + "."
        pair = re.match(r"#([a-z0-9_]+) =(.*)$", line)
        if pair:
            found[section + pair.group(1)] = pair.group(2).strip()
    assert found == keys, f"songhua.conf and keys.c differ: {set(found.items()) ^ set(keys.items())}"
    run("/usr/bin/songhua", "check", "--config", "/etc/songhua/songhua.conf")
    with tempfile.NamedTemporaryFile("w", suffix=".conf", encoding="utf-8") as f:
        f.write(re.sub(r"(?m)^#([a-z0-9_]+ =)", r"\1", text))
        f.flush()
        run("/usr/bin/songhua", "check", "--config", f.name)


def check_unit():
    done = run("systemd-analyze", "verify", UNIT)
    complaints = [line for line in done.stdout.splitlines() if "songhua" in line]
    assert not complaints, complaints
    done = run("systemd-analyze", "security", "--no-pager", "--offline=true", f"--threshold={EXPOSURE}", UNIT)
    print(done.stdout.strip().splitlines()[-1])


def unit(key):
    with open(UNIT, encoding="utf-8") as f:
        return re.search(rf"^{key}=(.*)$", f.read(), re.M).group(1)


class Service:
    """The unit's command line as the unit's user, without rights, with the socket that systemd would give it."""

    def __enter__(self):
        self.http, self.mqtt = free_ports(2)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        name = f"songhua-package-{os.getpid()}-{self.http}"
        self.socket.bind("\0" + name)
        self.socket.settimeout(60)
        self.log = tempfile.TemporaryFile()
        user = unit("User")
        environment = {
            "PATH": "/usr/bin:/bin", "NOTIFY_SOCKET": "@" + name, "SONGHUA_ADMIN_PASSWORD": PASSWORD,
            "SONGHUA_HTTP_LISTEN": f"127.0.0.1:{self.http}", "SONGHUA_MQTT_LISTEN": f"127.0.0.1:{self.mqtt}",
        }
        self.process = subprocess.Popen(
            ["setpriv", "--reuid", user, "--regid", unit("Group"), "--clear-groups", "--no-new-privs", "--bounding-set=-all",
             "--inh-caps=-all", "--"] + unit("ExecStart").split(),
            env=environment, cwd=unit("WorkingDirectory"), umask=int(unit("UMask"), 8), stdin=subprocess.DEVNULL, stdout=self.log,
            stderr=self.log,
        )
        try:
            self.expect("READY=1")
            assert self.ask("GET", "/readyz")[0] == 200
            status = open(f"/proc/{self.process.pid}/status", encoding="ascii").read()
            assert re.search(rf"^Uid:\s+{user_there().pw_uid}\s", status, re.M), status
            assert re.search(r"^CapEff:\s+0+$", status, re.M), status
            self.token = None
            body = self.ask("POST", "/api/v1/sessions", {"user": "admin", "password": PASSWORD})[1]
            self.token = json.loads(body)["token"]
        except BaseException:
            self.show()
            self.end(signal.SIGKILL)
            raise
        return self

    def __exit__(self, kind, *_):
        if kind:
            self.show()
            self.end(signal.SIGKILL)
            return
        self.end(signal.SIGTERM)

    def expect(self, word):
        got = self.socket.recv(4096).decode()
        assert word in got.splitlines(), got

    def end(self, how):
        try:
            if self.process.poll() is None:
                self.process.send_signal(how)
            code = self.process.wait(60)
            if how == signal.SIGTERM:
                self.expect("STOPPING=1")
                assert code == 0, f"the service ended with {code}"
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            self.socket.close()
            self.log.close()

    def show(self):
        self.log.seek(0)
        print(self.log.read().decode(errors="replace")[-4000:], file=sys.stderr)

    def ask(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.http, timeout=30)
        headers = {"Content-Type": "application/json"}
        if getattr(self, "token", None):
            headers["Authorization"] = "Bearer " + self.token
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        assert answer.status < 300, (method, path, answer.status, data[:500])
        return answer.status, data

    def values(self):
        answer = json.loads(self.ask("POST", "/api/v1/history/query", {"points": ["packed/a"], "from": 0, "to": 4102444800000})[1])
        return answer["series"][0]["value"]


def check_owned():
    who = user_there()
    for base, folders, files in os.walk(DATA):
        for name in [base] + [os.path.join(base, f) for f in folders + files]:
            found = os.lstat(name)
            assert found.st_uid == who.pw_uid and not found.st_mode & 0o077, f"{name}: {found.st_uid} {found.st_mode:o}"


def journey(deb, older):
    dpkg("-i", older)
    assert state() == f"installed {LOWER}", state()
    assert os.stat(DATA).st_mode & 0o777 == 0o700
    check_settings()
    check_unit()
    with Service() as s:
        s.ask("POST", "/api/v1/ingest?device=packed", [{"ts": 1700000000000, "values": {"a": 1.5}}])
        assert s.values() == [1.5]
        page = s.ask("GET", "/")[1]
        assert b"<!doctype html" in page[:200].lower(), page[:200]
    check_owned()
    with open("/etc/songhua/songhua.conf", "a", encoding="utf-8") as f:
        f.write("\n# the plant's own line\n")

    dpkg("-i", deb)
    assert state().startswith("installed ") and state() > f"installed {LOWER}", state()
    with open("/etc/songhua/songhua.conf", encoding="utf-8") as f:
        assert "the plant's own line" in f.read()
    with Service() as s:
        assert s.values() == [1.5]
        s.ask("POST", "/api/v1/ingest?device=packed", [{"ts": 1700000001000, "values": {"a": 2.5}}])
        assert s.values() == [1.5, 2.5]

    dpkg("-r", "songhua")
    assert state().startswith("config-files"), state()
    assert user_there() and os.path.isdir(os.path.join(DATA, "journal")) and not os.path.exists("/usr/bin/songhua")
    dpkg("-i", deb)
    with Service() as s:
        assert s.values() == [1.5, 2.5]
    dpkg("--purge", "songhua")
    assert not traces(), f"left after the purge: {traces()}"


def clean():
    if state():
        dpkg("--purge", "--force-all", "songhua", ok=False)
    run("userdel", "songhua", ok=False)
    run("groupdel", "songhua", ok=False)
    for path in TRACES:
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path, ignore_errors=True)
        elif os.path.lexists(path):
            os.unlink(path)


def main():
    if os.geteuid() != 0:
        skip("installing a package needs root")
    for tool in ("dpkg", "dpkg-shlibdeps", "systemd-analyze", "setpriv"):
        if not shutil.which(tool):
            skip(f"{tool} is not there")
    if traces():
        skip(f"songhua is installed on this machine, and this test would take it away: {', '.join(traces())}")
    folder = tempfile.mkdtemp(prefix="songhua-package-")
    made_policy = False
    try:
        os.chmod(folder, 0o755)  # dpkg and its scripts read it
        print(run("make", "--no-print-directory", "-C", ROOT, "build", timeout=1200).stdout.strip().splitlines()[-1])
        run(os.path.join(ROOT, "packaging", "make_deb"), "--only-deb", "--out", folder, timeout=300)
        deb = os.path.join(folder, next(f for f in os.listdir(folder) if f.endswith(".deb")))
        check_package(deb)
        tree, older = os.path.join(folder, "tree"), os.path.join(folder, "older.deb")
        run("dpkg-deb", "-R", deb, tree)
        control = os.path.join(tree, "DEBIAN", "control")
        with open(control, encoding="utf-8") as f:
            text = f.read()
        with open(control, "w", encoding="utf-8") as f:
            f.write(re.sub(r"(?m)^Version: .*$", f"Version: {LOWER}", text))
        run("dpkg-deb", "--root-owner-group", "-Znone", "-b", tree, older)
        if not os.path.lexists(POLICY):  # the installed service must not start by itself: its ports may be taken
            with open(POLICY, "x", encoding="ascii") as f:
                f.write("#!/bin/sh\nexit 101\n")
            os.chmod(POLICY, 0o755)
            made_policy = True
        try:
            journey(deb, older)
        finally:
            clean()
        print("package: installed, verified, run, upgraded, removed and purged")
    finally:
        if made_policy:
            os.unlink(POLICY)
        shutil.rmtree(folder, ignore_errors=True)


main()
