"""The real OpenLDAP server (slapd) in a temporary folder, on free loopback ports, with a configuration and entries of its own, TLS by a test
authority, ended by its own process id. Used by wire.ldap, and by itself for the browser's test: prints a JSON line and waits for its input's end.
SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

from songhua import free_ports, skip

BASE = "dc=plant,dc=cn"
PEOPLE = "ou=people," + BASE
GROUPS = "ou=groups," + BASE
SERVICE = "cn=songhua,ou=services," + BASE
SERVICE_PASSWORD = "the service's own 密码"
LI = "Directory-river-7"
CONF = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
pidfile {dir}/slapd.pid
argsfile {dir}/slapd.args
TLSCACertificateFile {dir}/ca.pem
TLSCertificateFile {dir}/server.pem
TLSCertificateKeyFile {dir}/server.key
TLSVerifyClient never
sizelimit 500
database mdb
suffix "{base}"
rootdn "cn=root,{base}"
rootpw rootpw
directory {dir}/db
overlay memberof
memberof-group-oc groupOfNames
access to attrs=userPassword by self write by anonymous auth by * none
access to dn.subtree="ou=people,{base}" by dn="cn=songhua,ou=services,{base}" read by self read by * none
access to * by dn="cn=songhua,ou=services,{base}" read by self read by * none
"""
LDIF = """dn: {base}
objectClass: dcObject
objectClass: organization
o: plant
dc: plant

dn: ou=people,{base}
objectClass: organizationalUnit
ou: people

dn: ou=groups,{base}
objectClass: organizationalUnit
ou: groups

dn: ou=services,{base}
objectClass: organizationalUnit
ou: services

dn: cn=songhua,ou=services,{base}
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: songhua
userPassword: {service}

dn: uid=li,ou=people,{base}
objectClass: inetOrgPerson
uid: li
cn: 李雷
sn: 李
mail: li@plant.cn
preferredLanguage: en
userPassword: {li}

dn: uid=wang,ou=people,{base}
objectClass: inetOrgPerson
uid: wang
cn: 王芳
sn: 王
userPassword: {li}

dn: uid=zhao,ou=people,{base}
objectClass: inetOrgPerson
uid: zhao
cn: Zhao
sn: Zhao
mail: same@plant.cn
userPassword: {li}

dn: uid=qian,ou=people,{base}
objectClass: inetOrgPerson
uid: qian
cn: Qian
sn: Qian
mail: same@plant.cn
userPassword: {li}

dn: cn=operators,ou=groups,{base}
objectClass: groupOfNames
cn: operators
member: uid=li,ou=people,{base}

dn: cn=bosses,ou=groups,{base}
objectClass: groupOfNames
cn: bosses
member: uid=wang,ou=people,{base}
"""


def openssl(folder, *words):
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)


def certificates(folder):
    openssl(folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key", "-out", "ca.pem",
            "-days", "2", "-subj", "/CN=Test authority")
    openssl(folder, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "server.key", "-out", "server.csr",
            "-subj", "/CN=localhost")
    with open(os.path.join(folder, "ext"), "w", encoding="ascii") as f:
        f.write("subjectAltName=DNS:localhost\n")
    openssl(folder, "x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile",
            "ext", "-out", "server.pem")


class Slapd:
    def __init__(self):
        self.path = shutil.which("slapd") or ("/usr/sbin/slapd" if os.access("/usr/sbin/slapd", os.X_OK) else None)
        if not self.path or not shutil.which("ldapmodify"):
            skip("slapd or ldap-utils is not installed")
        self.folder = tempfile.mkdtemp(prefix="slapd-test-")
        os.mkdir(os.path.join(self.folder, "db"))
        certificates(self.folder)
        self.port, self.tls_port = free_ports(2)
        self.conf = os.path.join(self.folder, "slapd.conf")
        with open(self.conf, "w", encoding="utf-8") as f:
            f.write(CONF.format(dir=self.folder, base=BASE))
        self.process = None
        self.start()
        self.modify(LDIF.format(base=BASE, service=SERVICE_PASSWORD, li=LI), add=True)

    @property
    def ca(self):
        with open(os.path.join(self.folder, "ca.pem"), encoding="ascii") as f:
            return f.read()

    def start(self):
        urls = f"ldap://127.0.0.1:{self.port}/ ldaps://127.0.0.1:{self.tls_port}/"
        self.process = subprocess.Popen([self.path, "-f", self.conf, "-h", urls, "-d", "0"], stdout=subprocess.DEVNULL,
                                        stderr=open(os.path.join(self.folder, "log"), "ab"))
        end = time.monotonic() + 60
        for port in (self.port, self.tls_port):
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), 2).close()
                    break
                except OSError:
                    if time.monotonic() > end or self.process.poll() is not None:
                        with open(os.path.join(self.folder, "log"), encoding="utf-8", errors="replace") as f:
                            sys.exit("slapd does not start: " + f.read()[-2000:])
                    time.sleep(0.05)

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait(30)
            self.process = None

    def modify(self, ldif, add=False):
        r = subprocess.run(["ldapmodify", *(["-a"] if add else []), "-x", "-H", f"ldap://127.0.0.1:{self.port}", "-D", "cn=root," + BASE, "-w",
                            "rootpw"], input=ldif, text=True, capture_output=True, check=False)
        if r.returncode != 0:
            sys.exit(f"ldapmodify: {r.stderr}")

    def close(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


if __name__ == "__main__":
    with Slapd() as server:
        print(json.dumps({"port": server.port, "tls": server.tls_port, "ca": server.ca, "base": BASE, "people": PEOPLE, "groups": GROUPS,
                          "service": SERVICE, "service_password": SERVICE_PASSWORD, "password": LI}), flush=True)
        for line in sys.stdin:
            if line.strip() == "stop":
                server.stop()
            elif line.strip() == "start":
                server.start()
            print(json.dumps({"done": line.strip()}), flush=True)
