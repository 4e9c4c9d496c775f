"""The console's browser tests against the real binary with the demo plant: sign-in, live pages, history, imports, models, both languages.
Files may be named: real_test.py history.test.js
SPDX-License-Identifier: Apache-2.0
"""
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests", "wire"))

from songhua import PASSWORD, Songhua, free_ports, skip  # noqa: E402

CHANNEL = "/api/v1/channels/demo-plc"


def main():
    node = os.path.join(ROOT, "build", "node", "bin")
    path = os.pathsep.join([node, os.environ.get("PATH", "")])
    if shutil.which("npm", path=path) is None:
        skip("npm is not installed")
    if not os.path.isdir(os.path.join(ROOT, "web", "node_modules")):
        skip("the console's packages are not installed (make web)")
    with tempfile.TemporaryDirectory(prefix="songhua-backups-") as folder, Songhua(
            {"demo": "true", "backup.dir": folder, "signin.allow": "127.0.0.1"}) as s:
        (port,) = free_ports(1)
        channel = s.get(CHANNEL)
        channel["config"]["address"] = f"127.0.0.1:{port}"
        for member in ("state", "revision"):
            channel.pop(member, None)
        s.call("PUT", CHANNEL, channel)
        token = s.post("/api/v1/tokens", {"name": "plant", "roles": ["ingest"]})["token"]
        plant = subprocess.Popen(
            [s.path, "sim", "--modbus", f"127.0.0.1:{port}", "--mqtt", f"127.0.0.1:{s.mqtt}"],
            env=dict(os.environ, SONGHUA_SIM_USER=token, SONGHUA_SIM_PASSWORD=""),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            code = subprocess.run(
                ["npm", "run", "--silent", "test:e2e", "--", *sys.argv[1:]], cwd=os.path.join(ROOT, "web"), timeout=2350, check=False,
                env=dict(os.environ, PATH=path, SONGHUA_URL=f"http://127.0.0.1:{s.http}",
                         SONGHUA_ADMIN_PASSWORD=PASSWORD)).returncode
        finally:
            plant.terminate()
            plant.wait(20)
    return code


sys.exit(main())
