"""Uploads in parts that a crash has left in a bucket: the daemon aborts ours once they are old, and nothing else.

The gateway is real, and so are the uploads: programs of ours that were killed while a part was on its way, or before they heard that
their upload had begun.  A gateway does not let
anybody set when an object was written, so a proxy in front of it makes the marks of some old in its listings.
"""

import contextlib
import http.client
import re
import subprocess
import sys
import threading
import urllib.parse

from conftest import needs_servers
from orch import BUILD, SRC, wait_until

sys.path.insert(0, str(SRC / "tests" / "lib"))
from fault_server import CLOSE, Server, answer  # noqa: E402

pytestmark = needs_servers

LONG_AGO = b"2025-04-30T13:35:02.000Z"
SIZE = 6 << 20  # of two parts


class Proxy(Server):
    """Hands everything on as it came, so that signatures hold; parts wait, or answers to the beginning, while it holds them."""

    def __init__(self, endpoint):
        self.gateway = urllib.parse.urlsplit(endpoint).netloc
        self.old = set()  # keys that its listings make old
        self.holds_parts = self.holds_begin = False
        self.let_go, self.began = threading.Event(), threading.Event()
        super().__init__(self.hand_on)

    def parts_on_their_way(self, key):
        return [r for r in self.requests if r.method == "PUT" and "partNumber=" in r.query and r.path.endswith(f"/{key}")]

    def hand_on(self, request, _):
        if self.holds_parts and "partNumber=" in request.query:
            self.let_go.wait(60)
            return [CLOSE]
        connection = http.client.HTTPConnection(self.gateway, timeout=60)
        with contextlib.closing(connection):
            connection.putrequest(request.method, request.target, skip_host=True, skip_accept_encoding=True)
            for name, value in request.headers.items():
                if name not in ("expect", "connection"):
                    connection.putheader(name, value)
            connection.endheaders(request.body)
            got = connection.getresponse()
            body = got.read()
        if self.holds_begin and request.method == "POST" and request.query == "uploads=":
            self.began.set()  # and the one who asked for it never hears of it
            self.let_go.wait(60)
            return [CLOSE]
        for key in self.old:
            name = re.escape(key.rsplit("/", 1)[1].encode())  # the slash may be encoded
            body = re.sub(rb"(<Key>[^<]*%s</Key><LastModified>)[^<]*" % name, rb"\g<1>" + LONG_AGO, body)
        if self.old and request.query.startswith("prefix=") and request.query.endswith("uploads="):
            body = re.sub(rb"(<Initiated>)[^<]*", rb"\g<1>" + LONG_AGO, body)
        length = got.headers["Content-Length"] if request.method == "HEAD" else len(body)
        headers = [(k, v) for k, v in got.headers.items() if k.lower() not in ("content-length", "transfer-encoding", "connection")]
        return [answer(got.status, body, [*headers, ("Content-Length", length or 0)], length=False)]

    def close(self):
        self.let_go.set()
        self.stop()


def die_in_upload(project, proxy, key, moment, what):
    """Put a large file as our programs do, and die at some moment."""
    path = project.root / "large"
    path.write_bytes(bytes(SIZE))
    env = {**project.env, "S3_TEST_ENDPOINT": proxy.url, "S3_TEST_BUCKET": project.bucket, "S3_TEST_REGION": "us-east-1", "S3_TEST_PATH_STYLE": "true"}
    with open(project.root / "client.log", "ab") as log, \
            subprocess.Popen([BUILD / "tests/component/store_client", "put", key, path], env=env, stdout=log, stderr=log) as client:
        try:
            wait_until(lambda: moment() or client.poll() is not None, what)
            assert client.poll() is None, (project.root / "client.log").read_text()
        finally:
            client.kill()


def leave_upload(project, proxy, key):
    proxy.holds_parts = True
    die_in_upload(project, proxy, key, lambda: proxy.parts_on_their_way(key), f"parts of {key} are sent")
    proxy.holds_parts = False


def leave_unheard_upload(project, proxy, key):
    """Begun at the gateway, and the one who began it dies before it is told."""
    proxy.holds_begin = True
    die_in_upload(project, proxy, key, proxy.began.is_set, f"the upload of {key} has begun")
    proxy.holds_begin = False


def uploads(project):
    """{key: upload id} of those that are neither complete nor aborted"""
    return {u["Key"]: u["UploadId"] for u in project.s3.list_multipart_uploads(Bucket=project.bucket).get("Uploads", [])}


def mark_keys(project):
    return [o["Key"] for o in project.s3.list_objects_v2(Bucket=project.bucket, Prefix=".orch/uploads/").get("Contents", [])]


def marks(project):
    """{key of the upload: key of its mark}"""
    return {project.read(k).decode().split("\n")[1]: k for k in mark_keys(project)}


def finish(project, key, upload, data):
    part = project.s3.upload_part(Bucket=project.bucket, Key=key, UploadId=upload, PartNumber=1, Body=data)
    project.s3.complete_multipart_upload(Bucket=project.bucket, Key=key, UploadId=upload,
                                         MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
    assert project.read(key) == data


def test_what_a_crash_left_goes_at_the_next_start(bucket_project):
    project = bucket_project
    with contextlib.closing(Proxy(project.servers.gateway.endpoint)) as proxy:
        for key in ("results/old-1", "results/old-2", "results/fresh"):
            leave_upload(project, proxy, key)
        project.s3.create_multipart_upload(Bucket=project.bucket, Key="results/of-others")
        left, own = uploads(project), marks(project)
        assert sorted(left) == ["results/fresh", "results/of-others", "results/old-1", "results/old-2"]
        assert sorted(own) == ["results/fresh", "results/old-1", "results/old-2"]

        proxy.old = {own["results/old-1"], own["results/old-2"]}
        proxy.requests.clear()
        project.env["AWS_S3_ENDPOINT_URL"] = proxy.url
        project.start()
        wait_until(lambda: mark_keys(project) == [own["results/fresh"]], "the old marks are gone")
        assert project.stop() == 0

        assert uploads(project) == {k: left[k] for k in ("results/fresh", "results/of-others")}
        said = project.log.read_text()
        deleted = [urllib.parse.unquote(r.target) for r in proxy.requests if r.method == "DELETE"]
        wanted = []
        for key in ("results/old-1", "results/old-2"):
            assert f"aborted the unfinished upload of {key}" in said
            wanted += [f"/{project.bucket}/{key}?uploadId={left[key]}", f"/{project.bucket}/{own[key]}"]
        assert sorted(deleted) == sorted(wanted)
    for key in ("results/fresh", "results/of-others"):
        finish(project, key, left[key], key.encode())


def test_what_died_before_it_knew_its_upload_is_found(bucket_project):
    """By its key, its time and its emptiness; uploads of others of the same key, and of keys that begin like it, stay."""
    project = bucket_project
    key = "results/unheard"
    with contextlib.closing(Proxy(project.servers.gateway.endpoint)) as proxy:
        others = {}
        for name in (key, f"{key}-2"):
            others[name] = project.s3.create_multipart_upload(Bucket=project.bucket, Key=name)["UploadId"]
        project.s3.upload_part(Bucket=project.bucket, Key=key, UploadId=others[key], PartNumber=1, Body=b"of somebody")
        leave_unheard_upload(project, proxy, key)
        ids = {u["UploadId"] for u in project.s3.list_multipart_uploads(Bucket=project.bucket)["Uploads"]}
        ours = ids - set(others.values())
        (mark,) = mark_keys(project)
        assert len(ours) == 1 and project.read(mark) == f"\n{key}".encode()

        project.env["AWS_S3_ENDPOINT_URL"] = proxy.url
        project.start()
        wait_until(lambda: any("list-type=2" in r.query and "orch" in r.query for r in proxy.requests), "what is ours is listed")
        assert project.stop() == 0
        assert mark_keys(project) == [mark], "a young one is spared"

        proxy.old = {mark}
        proxy.requests.clear()
        project.start()
        wait_until(lambda: mark_keys(project) == [], "the old mark is gone")
        assert project.stop() == 0
        assert f"aborted the unfinished upload of {key}\n" in project.log.read_text()
        deleted = [urllib.parse.unquote(r.target) for r in proxy.requests if r.method == "DELETE"]
        assert deleted == [f"/{project.bucket}/{key}?uploadId={ours.pop()}", f"/{project.bucket}/{mark}"]
    for name, upload in others.items():
        finish(project, name, upload, name.encode())
