"""The production pair: a project whose store is a bucket of a Ceph gateway and whose results are in a MariaDB server.

The project is that of `orchctl init`, with the lines for a bucket and a server that stand in its orch.yaml in place of
those for a folder and a file, so these lines are tested as well.
"""

import re
import xml.etree.ElementTree as tree

import nights
from orch import Orch
from servers import ACCESS_KEY, SECRET_KEY, SQL_PASSWORD, SQL_USER

NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"


def value_of(field):
    if field.get(NIL) == "true":
        return None
    text = field.text or ""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text


def literal(value):
    return "'" + str(value).replace("\\", "\\\\").replace("'", "''") + "'"


class ProductionOrch(Orch):
    def __init__(self, root, servers):
        super().__init__(root)
        self.servers = servers
        self.s3 = servers.s3
        self.database = servers.next_name()
        self.bucket = self.database.replace("_", "-")
        self.s3.create_bucket(Bucket=self.bucket)
        servers.mysql.admin(f"CREATE DATABASE {self.database} CHARACTER SET utf8mb4")
        self.env |= {
            "DEST_BUCKET": self.bucket,
            "AWS_S3_ENDPOINT_URL": servers.gateway.endpoint,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "MYSQL_HOST": "127.0.0.1",
            "MYSQL_USER": SQL_USER,
            "MYSQL_PASSWORD": SQL_PASSWORD,
            "MYSQL_DATABASE": self.database,
        }

    def use_servers(self):
        """Exchange the two lines; the port is the only thing that the environment does not say."""
        text = self.config.read_text()
        for line in ("data: {type: dir", "results: {type: sqlite"):
            assert line in text
            text = re.sub(rf"(?m)^  {re.escape(line)}.*\n", "", text)
        for line in ("data: {type: s3", "results: {type: mysql"):
            assert f"  # {line}" in text
            text = text.replace(f"  # {line}", f"  {line}")
        self.config.write_text(text.replace("password:", f"port: {self.servers.mysql.port}, password:"))
        return self

    # ---- the bucket, by boto3

    def put(self, key, data):
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=data)

    def keys(self, prefix=""):
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        found = [o["Key"] for page in pages for o in page.get("Contents", [])]
        return sorted(k for k in found if not k.startswith(".orch/"))

    def read(self, key):
        return self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def leftovers(self):
        uploads = self.s3.list_multipart_uploads(Bucket=self.bucket).get("Uploads", [])
        own = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=".orch/").get("Contents", [])
        return [u["Key"] for u in uploads] + [o["Key"] for o in own]

    # ---- the server, by its client

    def columns(self, table):
        return [r[0] for r in self.results(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = database() AND table_name = ?"
            " ORDER BY ordinal_position", table)]

    def results(self, sql, *values):
        parts = sql.split("?")
        assert len(parts) == len(values) + 1
        text = parts[0] + "".join(literal(v) + p for v, p in zip(values, parts[1:]))
        answer = self.servers.mysql.query_xml(self.database, text)
        if not answer.strip():
            return []
        return [tuple(value_of(f) for f in row) for row in tree.fromstring(answer)]

    def close(self, keep=False):
        super().close(keep)
        if keep:
            return
        for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket):
            objects = [{"Key": o["Key"]} for o in page.get("Contents", [])]
            if objects:
                self.s3.delete_objects(Bucket=self.bucket, Delete={"Objects": objects, "Quiet": True})
        self.servers.mysql.admin(f"DROP DATABASE {self.database}")


def init_project(root, servers):
    return nights.prepare(ProductionOrch(root, servers)).use_servers()
