"""A Ceph gateway and a MariaDB server for whole nights, started once and gone with the process that started them.

Their secrets are canaries: strings that occur nowhere else, so that a test can look for them in whatever we leave behind.
"""

import functools
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import pathlib

from orch import SRC, Failed, wait_until

LIB = SRC / "tests" / "lib"
ACCESS_KEY = "NIGHTACCESS" + secrets.token_hex(4).upper()
SECRET_KEY = "canary-s3-" + secrets.token_hex(12)
SQL_USER = "night"
SQL_PASSWORD = "canary-sql-" + secrets.token_hex(12)
TOOLS = ("ceph", "ceph-mon", "ceph-osd", "monmaptool", "radosgw", "radosgw-admin", "mariadbd", "mariadb-install-db",
         "mariadb", "openssl", "curl", "setpriv", "aws")

# Prints the endpoint, then waits for its standard input to end; the servers die with it.
GATEWAY = r"""
. "$1/ceph.sh"
CEPH_ACCESS_KEY=$GATEWAY_ACCESS_KEY CEPH_SECRET_KEY=$GATEWAY_SECRET_KEY
ceph_start "$2" || exit 1
echo "$CEPH_ENDPOINT"
echo "$CEPH_DIR/run/client.rgw.s3.$CEPH_GATEWAY_PID.asok"
echo "$CEPH_TLS_ENDPOINT"
echo "$CEPH_CA"
read -r _
ceph_stop
"""


def missing():
    """What is not installed; empty when all is there."""
    path = os.environ.get("PATH", "") + ":/usr/bin:/usr/sbin:/sbin"
    lacking = [t for t in TOOLS if not shutil.which(t, path=path)]
    try:
        import boto3  # noqa: F401 - whether it is there
    except ImportError:
        lacking.append("boto3")
    return lacking


class Gateway:
    def __init__(self, folder):
        # A gateway that did not get its ports says so only by ending: start again on others.
        for attempt in range(3):
            self.shell = subprocess.Popen(
                ["bash", "-c", GATEWAY, "-", str(LIB), str(folder / f"ceph{attempt}")],
                env={**os.environ, "GATEWAY_ACCESS_KEY": ACCESS_KEY, "GATEWAY_SECRET_KEY": SECRET_KEY}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            self.endpoint = self.shell.stdout.readline().strip()
            if self.endpoint:
                self.admin_socket = self.shell.stdout.readline().strip()
                self.tls_endpoint = self.shell.stdout.readline().strip()
                self.ca = self.shell.stdout.readline().strip()
                return
            self.shell.wait()
        raise Failed("the Ceph gateway does not start")

    def client(self):
        import boto3
        from botocore.config import Config
        return boto3.client(
            "s3", endpoint_url=self.endpoint, region_name="us-east-1", aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            config=Config(s3={"addressing_style": "path"}, max_pool_connections=4, retries={"max_attempts": 3}))

    def topics(self):
        """Ceph takes topics by the calls of SNS, and such as hold a password only by TLS."""
        import boto3
        from botocore.config import Config
        return boto3.client(
            "sns", endpoint_url=self.tls_endpoint, verify=self.ca, region_name="default", aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY, config=Config(retries={"max_attempts": 1}))

    def close(self):
        self.shell.stdin.close()
        self.shell.wait(30)


class Server:
    def __init__(self, folder):
        self.folder = folder / "mysql"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        # The script ends by becoming the server, so the signal at our death reaches that.
        with open(folder / "mysql.log", "wb") as log:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "sh", str(LIB / "mariadb.sh"), str(self.folder), str(self.port)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(self.answers, "MariaDB answers")
        self.admin(f"CREATE USER '{SQL_USER}'@'127.0.0.1' IDENTIFIED BY '{SQL_PASSWORD}';"
                   f"GRANT ALL ON `night\\_%`.* TO '{SQL_USER}'@'127.0.0.1';")

    def answers(self):
        if self.process.poll() is not None:
            raise Failed(f"MariaDB ended with {self.process.returncode}; see {self.folder}")
        return (self.folder / "s.sock").exists() and self.client("-uroot", "-eSELECT 1").returncode == 0

    def client(self, *args, sql="", env=None):
        """The command-line client over the socket as root, or as args have it; what it would take from our environment does not count."""
        ours = {k: v for k, v in os.environ.items() if not k.startswith("MYSQL_")}
        return subprocess.run(
            ["mariadb", "--no-defaults", f"--socket={self.folder}/s.sock", *args], input=sql, capture_output=True,
            text=True, env={**ours, **(env or {})}, timeout=60, check=False)

    def admin(self, sql):
        done = self.client("-uroot", sql=sql)
        if done.returncode != 0:
            raise Failed(f"mariadb: {done.stderr}")

    def query_xml(self, database, sql):
        """As the account of the pipeline, over TCP as it does."""
        done = self.client(f"-u{SQL_USER}", "--protocol=tcp", "-h127.0.0.1", f"-P{self.port}", "--xml",
                           "--default-character-set=utf8mb4", database, sql=sql, env={"MYSQL_PWD": SQL_PASSWORD})
        if done.returncode != 0:
            raise Failed(f"mariadb: {done.stderr}\n{sql}")
        return done.stdout

    def close(self):
        self.process.kill()
        self.process.wait()


class Servers:
    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="orchd-servers-"))
        self.folder.chmod(0o755)  # MariaDB may be another user
        self.gateway = Gateway(self.folder)
        try:
            self.mysql = Server(self.folder)
        except BaseException:
            self.gateway.close()
            raise
        self.count = 0

    def next_name(self):
        self.count += 1
        return f"night_{os.getpid()}_{self.count}"

    @functools.cached_property
    def s3(self):
        return self.gateway.client()

    @functools.cached_property
    def sns(self):
        return self.gateway.topics()

    def close(self):
        self.gateway.close()
        self.mysql.close()
        shutil.rmtree(self.folder, ignore_errors=True)
