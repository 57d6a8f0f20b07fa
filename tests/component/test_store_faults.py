#!/usr/bin/python3
"""The s3 store against a server that misbehaves: what is tried again, how often, and what is never believed."""
import base64, concurrent.futures, email.utils, hashlib, json, os, re, resource, shutil, ssl, subprocess, sys, tempfile, threading, time, zlib
import urllib.parse
from xml.etree import ElementTree
from xml.sax.saxutils import escape

SRC = os.environ.get("TEST_SRCDIR", ".")
sys.path.insert(0, os.path.join(SRC, "tests/lib"))
sys.dont_write_bytecode = True
from fault_server import CLOSE, FLOOD, HANG, RESET, Server, answer  # noqa: E402
from store_cases import (ATTEMPTS, CASES, CLIENT, FILES, GET, GOOD_LIST, LIST, SECRET, TOKEN, XML, always, case, client, env_for,  # noqa: E402
                         first, listing, main, xml_error)

WHOLE = bytes(i * 7 % 256 for i in range(1000))
ETAG = hashlib.md5(WHOLE).hexdigest()
OBJECT = [("ETag", '"%s"' % ETAG), ("Last-Modified", "Wed, 30 Apr 2025 13:35:02 GMT")]


def fault(name, handler, verb, requests, code=None, klass="transient", **env):
    def run(c):
        s = Server(handler)
        r = client(s.url, *verb, **env)
        s.stop()
        c.equal(r["ok"], False, "refused")
        if code is not None:
            c.equal((r.get("class"), r.get("code")), (klass, code), "error (%s)" % r.get("text"))
        c.equal(len(s.requests), requests, "requests")
        c.ok(r.get("text"), "it says why")
    return name, run


# ---- what is tried again, and what is not

N = ATTEMPTS
for verb in (LIST, GET):
    v = verb[0]
    CASES += [
        fault(v + ": 500", always(answer(500, xml_error("InternalError"), XML)), verb, N, "s3.InternalError"),
        fault(v + ": 502 with HTML", always(answer(502, "<html>bad gateway</html>")), verb, N, "http.502"),
        fault(v + ": 503 SlowDown", always(answer(503, xml_error("SlowDown"), XML)), verb, N, "s3.SlowDown"),
        fault(v + ": 503 without a body", always(answer(503)), verb, N, "http.503"),
        fault(v + ": 504", always(answer(504)), verb, N, "http.504"),
        fault(v + ": 429 with an unknown code", always(answer(429, xml_error("Busy"), XML)), verb, N, "s3.Busy"),
        fault(v + ": 400 RequestTimeout", always(answer(400, xml_error("RequestTimeout"), XML)), verb, N, "s3.RequestTimeout"),
        fault(v + ": 400 SlowDown", always(answer(400, xml_error("SlowDown"), XML)), verb, N, "s3.SlowDown"),
        fault(v + ": 409 OperationAborted", always(answer(409, xml_error("OperationAborted"), XML)), verb, N,
              "s3.OperationAborted"),
        fault(v + ": 501", always(answer(501, xml_error("NotImplemented"), XML)), verb, 1, "unsupported", "permanent"),
        fault(v + ": 403", always(answer(403, xml_error("AccessDenied"), XML)), verb, 1, "denied", "permanent"),
        fault(v + ": 404 of the bucket", always(answer(404, xml_error("NoSuchBucket"), XML)), verb, 1, "no_bucket", "permanent"),
        fault(v + ": 409", always(answer(409, xml_error("BucketNotEmpty"), XML)), verb, 1, "s3.BucketNotEmpty", "permanent"),
        fault(v + ": 412", always(answer(412, xml_error("PreconditionFailed"), XML)), verb, 1, "precondition", "permanent"),
        fault(v + ": 400 ExpiredToken, twice", always(answer(400, xml_error("ExpiredToken"), XML)), verb, 2, "s3.ExpiredToken"),
        fault(v + ": 200 with HTML", always(answer(200, "<html>log in</html>", [("Content-Type", "text/html")])), verb, N,
              "http.content"),
        fault(v + ": headers cut", always(b"HTTP/1.1 200 OK\r\nContent-Type: appl", CLOSE), verb, N, "http.truncated"),
        fault(v + ": connection closed", always(CLOSE), verb, N, "net.reset"),
        fault(v + ": connection reset", always(RESET), verb, N, "net.reset"),
        fault(v + ": garbage", always(b"\x16\x03\x01 what is this\r\n\r\n", CLOSE), verb, N, "http.garbage"),
        fault(v + ": 307 to itself", lambda r, n: [answer(307, "", [("Location", "http://%s%s" % (r.headers["host"], r.target))])],
              verb, 3, "http.307", "permanent"),
        fault(v + ": 307 to another scheme", always(answer(307, "", [("Location", "ftp://elsewhere/")])), verb, 1, "http.307",
              "permanent"),
        fault(v + ": 301 without a region", always(answer(301, xml_error("PermanentRedirect"), XML)), verb, 1,
              "s3.PermanentRedirect", "permanent"),
    ]

CASES += [
    fault("list: an Error document under 200", always(answer(200, xml_error("InternalError"), XML)), LIST, N, "s3.InternalError"),
    fault("list: an Error document without a code under 200", always(answer(200, "<Error><HostId>h</HostId></Error>", XML)), LIST, N,
          "http.content"),
    fault("list: nothing under 200", always(answer(200, "", XML)), LIST, N, "xml.truncated"),
    fault("list: a body shorter than said",
          always(GOOD_LIST[:-30], CLOSE), LIST, N, "http.truncated"),
    fault("list: no answer in time", always(HANG), LIST, N, "net.timeout", S3_TEST_TIMEOUT="700"),
    fault("list: a length that is not told", always(answer(200, listing("raw/a"), XML, length=False), CLOSE), LIST, N,
          "http.no_length"),
    fault("get: a length that is not told", always(answer(200, b"x" * 500, OBJECT, length=False), CLOSE), GET, N, "http.content"),
    fault("get: an Error document under 200", always(answer(200, xml_error("InternalError"), XML)), GET, N, "http.content"),
    fault("get: nothing under 200", always(answer(200, "")), GET, N, "http.content"),
    fault("get: other bytes than the ETag says", always(answer(200, b"y" * 1000, OBJECT)), GET, 1, "corrupt", "bad_data"),
    fault("get: other bytes than the recorded sum says",
          always(answer(200, WHOLE, [("ETag", '"1-2"'), ("x-amz-meta-sha256", "0" * 64)])), GET, 1, "corrupt", "bad_data"),
    fault("get: other bytes than the CRC-32 says", always(answer(200, WHOLE, [("ETag", '"1-2"'), ("x-amz-checksum-crc32", "AAAAAA==")])),
          GET, 1, "corrupt", "bad_data"),
    fault("get: a transfer that stands still", always(answer(200, WHOLE, OBJECT)[:-500], HANG), GET, 1, "net.stall",
          S3_TEST_ATTEMPTS="1"),
    fault("head: an answer of something else", always(answer(200, "")), ("head", "raw/x"), N, "http.content"),
    fault("put: nobody listens", always(CLOSE), ("list", "raw/"), 0, "net.connect", S3_TEST_ENDPOINT="http://127.0.0.1:1"),
    fault("a name that cannot be resolved", always(CLOSE), ("list", "raw/"), 0, "net.resolve",
          S3_TEST_ENDPOINT="http://no-such-host.invalid", S3_TEST_ATTEMPTS="1"),
]


@case
def retry_then_good(c):
    """a failure that goes away is not seen"""
    s = Server(first(answer(503, xml_error("SlowDown"), XML), then=GOOD_LIST))
    r = client(s.url, *LIST)
    c.equal([k["key"] for k in r.get("keys", [])], ["raw/a"], "keys")
    c.equal(len(s.requests), 2, "requests")
    c.ok("attempt 2 of 3" in r["log"], "the log tells of it")


@case
def retry_after(c):
    """Retry-After is respected"""
    s = Server(first(answer(503, "", [("Retry-After", "2")]), then=GOOD_LIST))
    r = client(s.url, *LIST)
    c.equal(r["ok"], True, "listed")
    c.ok(len(s.requests) == 2 and s.requests[1].time - s.requests[0].time >= 1.95, "two seconds between")


@case
def delays(c):
    """delays stay below the jitter's ceiling and grow with it"""
    s = Server(always(answer(500)))
    client(s.url, *LIST, S3_TEST_ATTEMPTS="4")
    gaps = [b.time - a.time for a, b in zip(s.requests, s.requests[1:])]
    c.equal(len(gaps), 3, "gaps")
    for i, g in enumerate(gaps):
        c.ok(g <= 0.25 * 2 ** i + 1.0, "gap %d of %.2f s" % (i, g))


@case
def wrong_region(c):
    """the region is corrected from the error document, signed once more, and kept"""
    def handler(r, n):
        if "/eu-north-1/s3/" in r.headers.get("authorization", ""):
            return [GOOD_LIST]
        return [answer(400, xml_error("AuthorizationHeaderMalformed", Region="eu-north-1"), XML)]
    s = Server(handler)
    r = client(s.url, *LIST)
    c.equal((r["ok"], len(s.requests)), (True, 2), "listed by the second request")
    c.ok("eu-north-1" in r["log"], "the log says so")


@case
def wrong_region_header(c):
    """the region is corrected from the header of a redirect"""
    def handler(r, n):
        if "/eu-west-3/s3/" in r.headers.get("authorization", ""):
            return [GOOD_LIST]
        return [answer(301, xml_error("PermanentRedirect"), XML + [("x-amz-bucket-region", "eu-west-3")])]
    s = Server(handler)
    c.equal((client(s.url, *LIST)["ok"], len(s.requests)), (True, 2), "listed by the second request")


@case
def evil_region(c):
    """a region that is no region is not believed"""
    s = Server(always(answer(400, xml_error("AuthorizationHeaderMalformed", Region="../x y"), XML)))
    c.equal((client(s.url, *LIST)["ok"], len(s.requests)), (False, 1), "one request")


@case
def wrong_clock(c):
    """a wrong clock: signed once more with the server's time"""
    later = time.time() + 16 * 60

    def handler(r, n):
        date = time.strptime(r.headers["x-amz-date"], "%Y%m%dT%H%M%SZ")
        import calendar
        if abs(calendar.timegm(date) - later) < 300:
            return [GOOD_LIST]
        return [answer(403, xml_error("RequestTimeTooSkewed"), XML + [("Date", email.utils.formatdate(later, usegmt=True))])]
    s = Server(handler)
    r = client(s.url, *LIST)
    c.equal((r["ok"], len(s.requests)), (True, 2), "listed by the second request")
    c.ok("behind the server's" in r["log"], "the log warns of the clock")


@case
def head_without_code(c):
    """a HEAD has no body: clock, region and expiry are told from its headers"""
    later = time.time() + 16 * 60
    import calendar

    def skewed(r, n):
        date = calendar.timegm(time.strptime(r.headers["x-amz-date"], "%Y%m%dT%H%M%SZ"))
        return [answer(200, "", OBJECT) if abs(date - later) < 300 else
                answer(403, "", [("Date", email.utils.formatdate(later, usegmt=True))])]

    def moved(r, n):
        return [answer(200, "", OBJECT) if "/eu-west-3/" in r.headers["authorization"] else
                answer(400, "", [("x-amz-bucket-region", "eu-west-3")])]

    def expired(r, n):
        return [answer(200, "", OBJECT) if n > 1 else answer(400)]
    for what, handler in (("clock", skewed), ("region", moved), ("expiry", expired)):
        s = Server(handler)
        r = client(s.url, "head", "raw/x")
        c.equal((r["ok"], len(s.requests)), (True, 2), what)
    s = Server(always(answer(403)))
    c.equal((client(s.url, "head", "raw/x").get("code"), len(s.requests)), ("denied", 1), "a plain 403")


@case
def endless_headers(c):
    """headers that never end are not read on"""
    s = Server(lambda r, n: [b"HTTP/1.1 200 OK\r\n"] + [b"X-%d: %s\r\n" % (i, b"y" * 1000) for i in range(3000)] + [HANG])
    r = client(s.url, *LIST, S3_TEST_ATTEMPTS="1")
    c.equal((r["ok"], r.get("code")), (False, "http.garbage"), "refused (%s)" % r.get("text"))


@case
def expired_token(c):
    """an expired token: credentials are fetched anew"""
    d = tempfile.mkdtemp()
    keys = os.path.join(d, "credentials")

    def write(token):
        with open(keys, "w") as f:
            f.write("[default]\naws_access_key_id = AKID\naws_secret_access_key = %s\naws_session_token = %s\n" % (SECRET, token))

    def handler(r, n):
        if r.headers.get("x-amz-security-token") == "fresh":
            return [GOOD_LIST]
        write("fresh")
        return [answer(400, xml_error("ExpiredToken"), XML)]
    write("stale")
    s = Server(handler)
    r = client(s.url, *LIST, AWS_ACCESS_KEY_ID=None, AWS_SECRET_ACCESS_KEY=None, AWS_SESSION_TOKEN=None,
               AWS_SHARED_CREDENTIALS_FILE=keys)
    c.equal((r["ok"], len(s.requests)), (True, 2), "listed with the fresh one")
    shutil.rmtree(d)


@case
def redirect(c):
    """a redirect to another address is followed, signed for that address"""
    b = Server(always(GOOD_LIST))
    a = Server(lambda r, n: [answer(307, "", [("Location", b.url + r.target)])])
    r = client(a.url, *LIST)
    c.equal(r["ok"], True, "listed")
    c.equal(b.requests[0].headers["host"] if b.requests else None, "127.0.0.1:%d" % b.port, "Host")
    if b.requests:
        c.ok(a.requests[0].headers["authorization"] != b.requests[0].headers["authorization"], "another signature")
        c.equal(b.requests[0].target, a.requests[0].target, "the same object")


# ---- reading

def ranges(r, n):
    h = r.headers.get("range")
    if not h:
        return None
    start = int(re.match(r"bytes=(\d+)-$", h).group(1))
    return start


@case
def resume(c):
    """a broken transfer goes on where it stopped, pinned to its ETag"""
    def handler(r, n):
        at = ranges(r, n)
        if at is None:
            return [answer(200, WHOLE, OBJECT)[:-600], CLOSE]
        return [answer(206, WHOLE[at:], OBJECT + [("Content-Range", "bytes %d-999/1000" % at)])]
    s = Server(handler)
    r = client(s.url, *GET)
    c.equal(r.get("content_sha256"), hashlib.sha256(WHOLE).hexdigest(), "the whole (%s)" % r.get("text"))
    c.equal(len(s.requests), 2, "requests")
    c.equal(s.requests[-1].headers.get("range"), "bytes=400-", "Range")
    c.equal(s.requests[-1].headers.get("if-match"), '"%s"' % ETAG, "If-Match")


@case
def resume_without_range(c):
    """a server that ignores Range sends all again, and nothing is doubled"""
    s = Server(lambda r, n: [answer(200, WHOLE, OBJECT)[:-600], CLOSE] if n == 1 else [answer(200, WHOLE, OBJECT)])
    r = client(s.url, *GET)
    c.equal(r.get("content_sha256"), hashlib.sha256(WHOLE).hexdigest(), "the whole")


@case
def resume_changed(c):
    """an object replaced in the middle of a transfer is not spliced"""
    other = [("ETag", '"%s"' % ("0" * 32))]
    s = Server(lambda r, n: [answer(200, WHOLE, OBJECT)[:-600], CLOSE] if n == 1 else
               [answer(206, b"z" * 600, other + [("Content-Range", "bytes 400-999/1000")])])
    r = client(s.url, *GET)
    c.equal((r["ok"], r.get("code")), (False, "precondition"), "refused")


@case
def resume_wrong_range(c):
    """another range than asked for is refused"""
    s = Server(lambda r, n: [answer(200, WHOLE, OBJECT)[:-600], CLOSE] if n == 1 else
               [answer(206, WHOLE[100:], OBJECT + [("Content-Range", "bytes 100-999/1000")])])
    r = client(s.url, *GET)
    c.equal((r["ok"], r.get("code"), len(s.requests)), (False, "http.content", N), "refused")


@case
def endless_error(c):
    """an error body that never ends is not read on"""
    s = Server(always(b"HTTP/1.1 500 X\r\nTransfer-Encoding: chunked\r\nContent-Type: application/xml\r\n\r\n", FLOOD))
    t = time.monotonic()
    r = client(s.url, *LIST, S3_TEST_ATTEMPTS="1")
    c.equal((r["ok"], r.get("code")), (False, "http.500"), "refused")
    c.ok(time.monotonic() - t < 10, "soon")


@case
def endless_list(c):
    """nor a listing that never ends"""
    s = Server(always(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\nContent-Type: application/xml\r\n\r\n",
                      b"1c\r\n<ListBucketResult><Contents>\r\n", FLOOD))
    r = client(s.url, *LIST, S3_TEST_ATTEMPTS="1")
    c.equal((r["ok"], r.get("code")), (False, "xml.limit"), "refused")


# ---- writing

class Bucket:
    """Objects with just enough S3 for uploads; fail(request, n) may return actions instead."""

    def __init__(self, fail=lambda r, n: None):
        self.fail, self.objects, self.meta, self.parts, self.aborted = fail, {}, {}, {}, []
        self.server = Server(self.handle)

    def handle(self, r, n):
        self.r = r
        return self.fail(r, n) or [self.good(r)]

    def store(self, r):
        key = r.path
        self.objects[key] = r.body
        self.meta[key] = [(k, v) for k, v in r.headers.items() if k.startswith("x-amz-meta-")]
        return answer(200, "", [("ETag", '"%s"' % hashlib.md5(r.body).hexdigest())])

    def good(self, r):
        key = r.path
        if "uploads=" in r.query and r.method == "POST":
            return answer(200, "<InitiateMultipartUploadResult><UploadId>UP/1+</UploadId></InitiateMultipartUploadResult>", XML)
        if "delete=" in r.query:
            return self.delete_batch(r)
        if "list-type=2" in r.query:
            return answer(200, listing(), XML)
        if "uploadId=" in r.query and r.method == "DELETE":
            self.aborted.append(key)
            return answer(204)
        if "uploadId=" in r.query and r.method == "PUT":
            self.parts[int(re.search(r"partNumber=(\d+)", r.query).group(1))] = r.body
            return answer(200, "", [("ETag", '"%s"' % hashlib.md5(r.body).hexdigest())])
        if "uploadId=" in r.query:
            self.complete(key)
            return answer(200, "<CompleteMultipartUploadResult><ETag></ETag></CompleteMultipartUploadResult>", XML)
        if r.method == "PUT":
            return self.store(r)
        if r.method == "DELETE":
            self.objects.pop(key, None)
            return answer(204)
        if key not in self.objects:
            return answer(404, b"" if r.method == "HEAD" else xml_error("NoSuchKey"))
        etag = self.etag if key in getattr(self, "whole", ()) else hashlib.md5(self.objects[key]).hexdigest()
        body = self.objects[key]
        head = answer(200, body, [("ETag", '"%s"' % etag)] + self.meta.get(key, []))
        return head[:len(head) - len(body)] if r.method == "HEAD" else head

    def delete_batch(self, r, refuse=None):
        refuse, out = refuse or {}, ""
        for o in ElementTree.fromstring(r.body):
            key = o.find("{*}Key").text
            if key in refuse:
                out += "<Error><Key>%s</Key><Code>%s</Code><Message>no</Message></Error>" % (escape(key), refuse[key])
            else:
                self.objects.pop("/obs-raw/" + urllib.parse.quote(key), None)
                out += "<Deleted><Key>%s</Key></Deleted>" % escape(key, {"\r": "&#13;"})
        return answer(200, "<DeleteResult>%s</DeleteResult>" % out, XML)

    def complete(self, key):
        self.objects[key] = b"".join(self.parts[i] for i in sorted(self.parts))
        self.etag = "%s-%d" % (hashlib.md5(b"".join(hashlib.md5(self.parts[i]).digest() for i in sorted(self.parts))).hexdigest(),
                               len(self.parts))
        self.whole = {key}


SMALL, BIG = os.path.join(FILES, "small"), os.path.join(FILES, "big")
with open(SMALL, "wb") as f:
    f.write(WHOLE)
with open(BIG, "wb") as f:
    f.write(os.urandom(1 << 20) * 12)
KEY = "/obs-raw/raw/x"


@case
def put_again(c):
    """a put that fails is repeated whole, verified by MD5 and signed with its hash"""
    b = Bucket(lambda r, n: [answer(500)] if n == 1 else None)
    r = client(b.server.url, "put", "raw/x", SMALL)
    c.equal((r["ok"], b.objects.get(KEY) == WHOLE, len(b.server.requests)), (True, True, 2), "stored by the second (%s)" % r.get("text"))
    h = b.server.requests[-1].headers
    c.equal(h.get("content-md5"), base64.b64encode(hashlib.md5(WHOLE).digest()).decode(), "Content-MD5")
    c.equal(h.get("x-amz-content-sha256"), hashlib.sha256(WHOLE).hexdigest(), "x-amz-content-sha256")
    c.equal(h.get("x-amz-meta-sha256"), hashlib.sha256(WHOLE).hexdigest(), "x-amz-meta-sha256")


@case
def put_wrong_etag(c):
    """a store that keeps other bytes than were sent is found out"""
    s = Server(always(answer(200, "", [("ETag", '"%s"' % ("0" * 32))])))
    r = client(s.url, "put", "raw/x", SMALL)
    c.equal((r["ok"], r.get("class"), r.get("code"), len(s.requests)), (False, "bad_data", "corrupt", N), "refused")


@case
def create_lost_answer(c):
    """create-only: the answer is lost, the repetition meets our own object, and that is success"""
    state = {}

    def fail(r, n):
        if r.method == "PUT" and n == 1:
            b.store(r)
            return [RESET]
        if r.method == "PUT":
            state["again"] = r.headers.get("if-none-match")
            return [answer(412, xml_error("PreconditionFailed"), XML)]
    b = Bucket(fail)
    r = client(b.server.url, "create", "raw/x", SMALL)
    c.equal((r["ok"], state.get("again")), (True, "*"), "created (%s)" % r.get("text"))


@case
def create_other(c):
    """create-only: somebody else's object in the way is refused, even with the same bytes"""
    def fail(r, n):
        if r.method == "PUT":
            b.objects[KEY] = WHOLE
            b.meta[KEY] = [("x-amz-meta-orch-put", "f" * 32)]
            return [answer(412, xml_error("PreconditionFailed"), XML)]
    b = Bucket(fail)
    r = client(b.server.url, "create", "raw/x", SMALL)
    c.equal((r["ok"], r.get("code")), (False, "precondition"), "refused")


def big_upload(c, fail, **env):
    b = Bucket(fail)
    r = client(b.server.url, "put", "raw/x", BIG, **env)
    marks = [k for k in b.objects if "/.orch/uploads/" in k]
    return b, r, marks


@case
def multipart(c):
    """a large file goes up in parts, marked while it lasts"""
    b, r, marks = big_upload(c, lambda r, n: None)
    c.equal((r["ok"], len(b.parts)), (True, 3), "three parts (%s)" % r.get("text"))
    c.ok(b.objects.get(KEY) == open(BIG, "rb").read(), "the same bytes")
    c.equal((marks, b.aborted), ([], []), "no mark left, nothing aborted")
    told = [(q.method, q.path.split("/")[2], q.body.decode() if ".orch/" in q.path else "") for q in b.server.requests
            if ".orch/uploads/" in q.path or "uploads=" in q.query]
    c.equal([t for t in told if t[0] != "GET"],
            [("PUT", ".orch", "\nraw/x"), ("POST", "raw", ""), ("PUT", ".orch", "UP/1+\nraw/x"), ("DELETE", ".orch", "")],
            "marked by its key before it is begun, by its id before the first part")


def is_begin(r):
    return r.method == "POST" and "uploads=" in r.query


@case
def multipart_begin_refused(c):
    """beginning is refused: there is no upload, and no mark is left"""
    b, r, marks = big_upload(c, lambda r, n: [answer(403, xml_error("AccessDenied"), XML)] if is_begin(r) else None)
    c.equal((r["ok"], r.get("code"), b.aborted, marks), (False, "denied", [], []), "refused, unmarked")


@case
def multipart_begin_unheard(c):
    """nobody says whether an upload was begun: the mark of its key stays"""
    b, r, marks = big_upload(c, lambda r, n: [RESET] if is_begin(r) else None)
    c.equal((r["ok"], r.get("class"), b.aborted), (False, "transient", []), "refused")
    c.equal([b.objects[m] for m in marks], [b"\nraw/x"], "the key is told")


@case
def multipart_begin_again(c):
    """begun by the second request: the first may have begun another, whose mark stays"""
    state = {"n": 0}

    def fail(r, n):
        state["n"] += is_begin(r)
        return [RESET] if is_begin(r) and state["n"] == 1 else None
    b, r, marks = big_upload(c, fail)
    c.equal((r["ok"], state["n"], b.aborted, KEY in b.objects), (True, 2, [], True), "stored")
    c.equal([b.objects[m] for m in marks], [b"\nraw/x"], "the mark of the key is left, that of the id is gone")


@case
def multipart_part_fails(c):
    """a part that cannot be sent: the upload is aborted"""
    b, r, marks = big_upload(c, lambda r, n: [answer(500)] if "partNumber=2" in r.query else None)
    c.equal((r["ok"], r.get("class")), (False, "transient"), "refused")
    c.equal((b.aborted, marks, KEY in b.objects), ([KEY], [], False), "aborted, unmarked, no object")


@case
def multipart_complete_error_200(c):
    """completing answers 200 with an Error document, then works"""
    state = {"n": 0}

    def fail(r, n):
        if r.method == "POST" and "uploadId=" in r.query:
            state["n"] += 1
            if state["n"] == 1:
                return [answer(200, xml_error("InternalError"), XML)]
    b, r, marks = big_upload(c, fail)
    c.equal((r["ok"], state["n"], b.aborted), (True, 2, []), "completed by the second request")


@case
def multipart_complete_lost(c):
    """completing works but says 500 for ever: the object is looked at, found to be ours, and kept"""
    def fail(r, n):
        if r.method == "POST" and "uploadId=" in r.query:
            b_ref[0].complete(r.path)
            return [answer(500, xml_error("InternalError"), XML)]
    b_ref = [None]
    b = b_ref[0] = Bucket(fail)
    r = client(b.server.url, "put", "raw/x", BIG)
    c.equal((r["ok"], b.aborted), (True, []), "success (%s)" % r.get("text"))


@case
def multipart_complete_fails(c):
    """completing fails for good: aborted"""
    b, r, marks = big_upload(c, lambda r, n: [answer(500, xml_error("InternalError"), XML)]
                             if r.method == "POST" and "uploadId=" in r.query else None)
    c.equal((r["ok"], b.aborted, marks), (False, [KEY], []), "refused, aborted, unmarked")


@case
def copy_error_200(c):
    """a copy that answers 200 with an Error document did not happen"""
    def fail(r, n):
        if r.method == "PUT":
            return [answer(200, xml_error("InternalError"), XML)]
    b = Bucket(fail)
    b.objects[KEY] = WHOLE
    r = client(b.server.url, "copy", "raw/x", "raw/y")
    c.equal((r["ok"], r.get("code")), (False, "s3.InternalError"), "refused")
    c.equal(len([q for q in b.server.requests if q.method == "PUT"]), N, "tried again")


@case
def delete_probe(c):
    """a conditional delete: probed once, then looked and compared where the server ignores conditions"""
    b = Bucket()
    b.objects[KEY] = WHOLE
    r = client(b.server.url, "delete", "raw/x", "0" * 32)
    c.equal((r["ok"], r.get("code"), KEY in b.objects), (False, "precondition", True), "kept")
    c.equal([k for k in b.objects if "probe" in k], [], "no probe left")
    r = client(b.server.url, "delete", "raw/x", ETAG)
    c.equal((r["ok"], KEY in b.objects), (True, False), "deleted")


# ---- what a store does when it is opened for work

def own_objects(**modified):
    items = "".join("<Contents><Key>.orch/%s</Key><LastModified>%s</LastModified><ETag>&quot;1&quot;</ETag><Size>5</Size></Contents>" %
                    (k.replace("__", "/"), v) for k, v in sorted(modified.items()))
    return ('<?xml version="1.0"?><ListBucketResult><Name>obs-raw</Name><Prefix>.orch/</Prefix>'
            "<IsTruncated>false</IsTruncated>%s</ListBucketResult>" % items)


@case
def tend(c):
    """opened for work: stale uploads of ours are aborted, those of others and fresh ones are not, nothing waits for it"""
    now, old = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime()), "2025-04-30T13:35:02.000Z"
    swept = threading.Event()

    def handle(r, n):
        q = urllib.parse.unquote(r.query)
        if "prefix=.orch/" in q:
            return [answer(200, own_objects(uploads__old=old, uploads__young=now, other=old, **{"probe-0001": old, "probe-0002": now}), XML)]
        if r.method == "GET" and r.path == "/obs-raw/.orch/uploads/old":
            return [answer(200, "UP/1\nraw/big", [("ETag", '"1"')])]
        if r.method == "DELETE" and r.path == "/obs-raw/.orch/probe-0001":
            swept.set()  # the last of it
        if "list-type=2" in r.query:
            swept.wait(20)  # the client's own listing takes longer than the rest
            return [answer(200, listing("raw/a"), XML)]
        return [answer(412, xml_error("PreconditionFailed"), XML)] if "if-match" in r.headers else \
            [answer(204) if r.method == "DELETE" else answer(200, "", [("ETag", '"%s"' % ETAG)])]
    s = Server(handle)
    r = client(s.url, *LIST, S3_TEST_TEND="1")
    c.equal((r["ok"], swept.is_set()), (True, True), "listed, and swept meanwhile")
    gone = [urllib.parse.unquote(q.target) for q in s.requests if q.method == "DELETE" and "if-match" not in q.headers]
    c.equal([g for g in gone if "probe" not in g], ["/obs-raw/raw/big?uploadId=UP/1", "/obs-raw/.orch/uploads/old"], "what was aborted")
    c.equal([g for g in gone if "probe-000" in g], ["/obs-raw/.orch/probe-0001"], "stale probes removed")
    c.equal(len([q for q in s.requests if q.method == "PUT" and "/.orch/probe-" in q.path]), 1, "probed once")


@case
def tend_in_vain(c):
    """where we may not do it, nothing else suffers"""
    def handle(r, n):
        return [GOOD_LIST if "list-type=2" in r.query and "orch" not in r.query else answer(403, xml_error("AccessDenied"), XML)]
    s = Server(handle)
    c.equal(client(s.url, *LIST, S3_TEST_TEND="1")["ok"], True, "listed")


# ---- many deletions

def delete_many(b, items, **env):
    """codes by key"""
    fd, path = tempfile.mkstemp(dir=FILES)
    with os.fdopen(fd, "w") as f:
        json.dump(items, f)
    r = client(b.server.url, "delete-many", path, **env)
    return dict(zip([k for k, _ in items], r.get("codes", []))), r


def many(n):
    b = Bucket()
    keys = ["raw/%05d" % i for i in range(n)]
    b.objects = {"/obs-raw/" + k: WHOLE for k in keys}
    return b, [[k, ETAG] for k in keys]


def batches(b):
    return [r for r in b.server.requests if "delete=" in r.query]


@case
def delete_many_batches(c):
    """many deletions: a thousand a request, each looked at first, the request verified by MD5"""
    b, items = many(2050)
    items[7][1], items[1200][0] = "0" * 32, "raw/missing"
    codes, r = delete_many(b, items)
    c.equal(sorted(set(codes.values())), ["", "not_found", "precondition"], "codes (%s)" % r.get("text"))
    c.equal((codes["raw/00007"], codes["raw/missing"]), ("precondition", "not_found"), "each its own verdict")
    c.equal(sorted(b.objects), ["/obs-raw/raw/00007", "/obs-raw/raw/01200"], "what is left")
    c.equal([r.body.count(b"<Key>") for r in batches(b)], [1000, 1000, 48], "keys of each request")
    c.ok(1 < b.server.most_open <= 32, "%d connections at a time" % b.server.most_open)
    c.equal(len([r for r in b.server.requests if r.method == "HEAD"]), 2050, "looks")
    for q in batches(b):
        c.equal(q.headers.get("content-md5"), base64.b64encode(hashlib.md5(q.body).digest()).decode(), "Content-MD5")
        c.equal(q.headers.get("x-amz-content-sha256"), hashlib.sha256(q.body).hexdigest(), "x-amz-content-sha256")


@case
def delete_many_conditional(c):
    """a server that honours conditions is given them, with every key"""
    b, items = many(3)
    b.fail = lambda r, n: [answer(412, xml_error("PreconditionFailed"), XML)] if r.method == "DELETE" and "if-match" in r.headers else None
    codes, r = delete_many(b, items)
    c.equal((set(codes.values()), len(batches(b))), ({""}, 1), "deleted")
    c.equal(batches(b)[0].body.count(b"<ETag>%s</ETag>" % ETAG.encode()), 3, "conditions")
    b, items = many(3)
    delete_many(b, items)
    c.equal(batches(b)[0].body.count(b"<ETag>"), 0, "conditions where they are ignored")


@case
def delete_many_errors(c):
    """a 200 with errors: each key has its own verdict, and silence is none"""
    b, items = many(6)
    refuse = {"raw/00001": "AccessDenied", "raw/00002": "InternalError", "raw/00003": "PreconditionFailed"}
    silent = b"<Deleted><Key>raw/00004</Key></Deleted>"
    b.fail = lambda r, n: [b.delete_batch(r, refuse).replace(silent, b" " * len(silent))] if "delete=" in r.query else None
    codes, r = delete_many(b, items)
    c.equal([codes[k] for k, _ in items], ["", "denied", "s3.InternalError", "precondition", "http.content", ""], "codes")


@case
def delete_many_fails(c):
    """a batch that fails is tried again, and then each of its keys has failed"""
    b, items = many(3)
    b.fail = lambda r, n: [answer(200, xml_error("SlowDown"), XML)] if "delete=" in r.query else None
    codes, r = delete_many(b, items)
    c.equal(set(codes.values()), {"s3.SlowDown"}, "codes")
    c.equal((len(batches(b)), len(b.objects)), (N, 3), "requests, and objects left")
    b, items = many(3)
    b.fail = lambda r, n: [answer(503)] if "delete=" in r.query and len(batches(b)) == 1 else None
    codes, r = delete_many(b, items)
    c.equal((set(codes.values()), len(batches(b)), b.objects), ({""}, 2, {}), "a failure that goes away is not seen")
    b, items = many(3)
    b.fail = lambda r, n: [answer(200, "<DeleteResult><Deleted><Key>raw/00000</Key></Deleted>", XML)] if "delete=" in r.query else None
    codes, r = delete_many(b, items)
    c.equal((set(codes.values()), len(batches(b))), ({"xml.truncated"}, N), "half an answer is none")


@case
def delete_many_unknown(c):
    """a server without batches: one by one"""
    for status, code in ((405, "MethodNotAllowed"), (501, "NotImplemented")):
        b, items = many(40)
        b.fail = lambda r, n: [answer(status, xml_error(code), XML)] if "delete=" in r.query else None
        codes, r = delete_many(b, items)
        c.equal((set(codes.values()), b.objects), ({""}, {}), "all deleted (%d)" % status)
        c.equal(len(batches(b)), 1, "asked for a batch once")


@case
def delete_many_odd(c):
    """keys that need care in XML, and one that cannot stand in it"""
    keys = ["raw/a&b<c>\"d'", "raw/tab\there", "raw/line\nfeed", "raw/return\r", "raw/]]>", "raw/\u00e9%41+", "raw/\x01", "raw/\uffff"]
    b = Bucket()
    b.objects = {"/obs-raw/" + urllib.parse.quote(k): WHOLE for k in keys}
    codes, r = delete_many(b, [[k, None] for k in keys])
    c.equal((set(codes.values()), b.objects), ({""}, {}), "all deleted")
    c.equal(sorted(urllib.parse.unquote(r.path) for r in b.server.requests if r.method == "DELETE"),
            ["/obs-raw/raw/\x01", "/obs-raw/raw/\uffff"], "those that XML has no way to write")


# ---- certificates

def openssl(*args):
    subprocess.run(["openssl", *args], cwd=FILES, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


def new_certificate(name, issuer=None, days=2, **extensions):
    """NAME.pem and NAME.key, signed by issuer or by itself."""
    with open(os.path.join(FILES, name + ".ext"), "w") as f:
        f.writelines("%s = %s\n" % e for e in extensions.items())
    openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=" + name,
            "-keyout", name + ".key", "-out", name + ".csr")
    by = ("-CA", issuer + ".pem", "-CAkey", issuer + ".key", "-CAcreateserial") if issuer else ("-signkey", name + ".key")
    openssl("x509", "-req", "-in", name + ".csr", *by, "-days", str(days), "-extfile", name + ".ext", "-out", name + ".pem")


def new_certificate_of(name, issuer, start, end, **extensions):
    """The same with its own times, which only the small authority of openssl can set."""
    new_certificate(name, issuer, **extensions)
    with open(os.path.join(FILES, name + ".cnf"), "w") as f:
        f.write("[ca]\ndefault_ca = d\n[d]\ndatabase = %s.index\nnew_certs_dir = .\ndefault_md = sha256\npolicy = p\n"
                "rand_serial = yes\n[p]\ncommonName = supplied\n" % name)
    open(os.path.join(FILES, name + ".index"), "w").close()
    openssl("ca", "-batch", "-notext", "-config", name + ".cnf", "-cert", issuer + ".pem", "-keyfile", issuer + ".key",
            "-in", name + ".csr", "-extfile", name + ".ext", "-startdate", start, "-enddate", end, "-out", name + ".pem")


def tls_server(name, handler, chain=(), old=False):
    path = os.path.join(FILES, name + ".pem")
    if chain:
        with open(path, "a") as f:
            f.writelines(open(os.path.join(FILES, n + ".pem")).read() for n in chain)
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if old:
        ctx.minimum_version = ctx.maximum_version = ssl.TLSVersion.TLSv1_1
        ctx.set_ciphers("ALL:@SECLEVEL=0")
    ctx.load_cert_chain(path, os.path.join(FILES, name + ".key"))
    return Server(handler, tls=ctx)


OURS = {"subjectAltName": "IP:127.0.0.1"}


MAKING_CERTIFICATES = threading.Lock()


def certificates():
    """Made once; cases run at the same time."""
    with MAKING_CERTIFICATES:
        if not os.path.exists(os.path.join(FILES, "by-a-leaf.pem")):
            make_certificates()


def make_certificates():
    new_certificate("ca", basicConstraints="critical,CA:TRUE")
    new_certificate("other-ca", basicConstraints="critical,CA:TRUE")
    new_certificate("good", "ca", **OURS)
    new_certificate("unknown", "other-ca", **OURS)
    new_certificate("self-signed", **OURS)
    new_certificate("expired", "ca", days=-1, **OURS)
    new_certificate_of("not-yet", "ca", "20950101000000Z", "20960101000000Z", **OURS)
    new_certificate("other-host", "ca", subjectAltName="DNS:s3.example.org,IP:127.0.0.2")
    new_certificate("client-only", "ca", extendedKeyUsage="clientAuth", **OURS)
    new_certificate("leaf", "ca", basicConstraints="critical,CA:FALSE", **OURS)
    new_certificate("by-a-leaf", "leaf", **OURS)


@case
def bad_certificates(c):
    """a certificate that is not good enough: refused at once, with the host and the reason, and nothing was sent"""
    certificates()
    ca = os.path.join(FILES, "ca.pem")
    s = tls_server("good", always(GOOD_LIST))
    c.equal(client(s.url, *LIST, S3_TEST_CA=ca)["ok"], True, "the good one")
    servers = {n: tls_server(n, always(GOOD_LIST)) for n in 
               ("unknown", "self-signed", "expired", "not-yet", "other-host", "client-only")}
    servers["by-a-leaf"] = tls_server("by-a-leaf", always(GOOD_LIST), chain=["leaf"])
    servers["old protocol"] = tls_server("good", always(GOOD_LIST), old=True)
    for name, s in servers.items():
        r = client(s.url, *LIST, S3_TEST_CA=ca)
        c.equal((r["ok"], r.get("class"), r.get("code")), (False, "permanent", "tls"), "%s (%s)" % (name, r.get("text")))
        c.equal((len(s.requests), "attempt 2" in r["log"]), (0, False), "%s: requests, tried again" % name)
        c.ok("127.0.0.1:%d" % s.port in r.get("text", ""), "%s: names the host (%s)" % (name, r.get("text")))
    r = client(servers["unknown"].url, *LIST, S3_TEST_CA=os.path.join(FILES, "no-such-file"))
    c.equal((r["ok"], r.get("code")), (False, "tls"), "a CA file that is not there (%s)" % r.get("text"))


@case
def crc(c):
    """the CRC-32 of an object is asked for and checked, over a transfer that broke too; that of parts is none"""
    sum_of_whole = base64.b64encode(zlib.crc32(WHOLE).to_bytes(4, "big")).decode()
    for value, what in ((sum_of_whole, "the right one"), (sum_of_whole + "-3", "of parts"), ("?", "garbage"), ("", "nothing")):
        head = [("ETag", '"1-2"'), ("x-amz-checksum-crc32", value)]
        rest = answer(206, WHOLE[400:], [("ETag", '"1-2"'), ("Content-Range", "bytes 400-999/1000")])
        s = Server(lambda r, n, head=head, rest=rest: [answer(200, WHOLE, head)[:-600], CLOSE] if n == 1 else [rest])
        r = client(s.url, *GET)
        c.equal((r["ok"], len(s.requests)), (True, 2), "%s (%s)" % (what, r.get("text")))
        c.equal({q.headers.get("x-amz-checksum-mode") for q in s.requests}, {"ENABLED"}, "asked for")


@case
def proxies(c):
    """a proxy is taken by the scheme of the address, and for no host of no_proxy"""
    certificates()
    proxy = Server(always(answer(503)))
    tls, plain = tls_server("good", always(GOOD_LIST)), Server(always(GOOD_LIST))
    for s, more, by_proxy in (
            (tls, {"http_proxy": proxy.url}, None),
            (tls, {"https_proxy": proxy.url}, ("CONNECT", "127.0.0.1:%d" % tls.port)),
            (tls, {"https_proxy": proxy.url, "no_proxy": "127.0.0.1"}, None),
            (plain, {"https_proxy": proxy.url}, None),
            (plain, {"http_proxy": proxy.url}, ("GET", "%s/obs-raw" % plain.url)),
            (plain, {"http_proxy": proxy.url, "no_proxy": "example.org,127.0.0.1"}, None)):
        proxy.requests.clear()
        s.requests.clear()
        r = client(s.url, *LIST, S3_TEST_CA=os.path.join(FILES, "ca.pem"), S3_TEST_ATTEMPTS="1", **more)
        what = "%s with %s (%s)" % (s.url.split(":")[0], ", ".join(more), r.get("text", ""))
        c.equal([(q.method, q.target.split("?")[0]) for q in proxy.requests], [by_proxy] if by_proxy else [], "the proxy: " + what)
        c.equal((r["ok"], len(s.requests)), (False, 0) if by_proxy else (True, 1), "the server: " + what)


@case
def https_stays(c):
    """a redirect from https to http is not followed"""
    certificates()
    plain = Server(always(GOOD_LIST))
    s = tls_server("good", lambda r, n: [answer(307, "", [("Location", plain.url + r.target)])])
    r = client(s.url, *LIST, S3_TEST_CA=os.path.join(FILES, "ca.pem"))
    c.equal((r["ok"], r.get("code"), len(plain.requests)), (False, "http.307", 0), "refused (%s)" % r.get("text"))


# ---- every answer of the listing corpus, with its status and headers

def corpus_case(spec):
    def run(c):
        pages = spec["pages"]

        def handler(r, n):
            p = pages[min(n, len(pages)) - 1]
            if "recipe" in p:
                return [b"HTTP/1.1 500 X\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n<Error><Message>\r\n", FLOOD]
            body = base64.b64decode(p["body_b64"]) if "body_b64" in p else p["text"].encode()
            if "deep" in p:
                body = body.replace(b"@DEEP@", b"<a>" * p["deep"] + b"</a>" * p["deep"])
            return [answer(p["status"], body, list(p["headers"].items()))]
        s = Server(handler)
        r = client(s.url, *LIST)
        s.stop()
        e, text = spec["expect"], r.get("text", "")
        for never in spec.get("never", []):
            c.ok(never not in json.dumps(r.get("keys", [])) + r["log"] + text, "%s turns up" % never)
        if e["outcome"] == "ok":
            c.equal([(k["key"], k["size"]) for k in r.get("keys", [])], [(k["key"], k["size"]) for k in e["keys"]], "keys " + text)
            return
        c.equal((r["ok"], r.get("keys")), (False, []), "refused, no keys")
        named = any(k == r.get("code") or (k.startswith("s3.") and " " + k[3:] in text) for k in e["class"])
        c.ok(named, "code %s of %s (%s)" % (r.get("code"), e["class"], text))
        corrected = "RequestTimeTooSkewed" in text or "AuthorizationHeaderMalformed" in text
        if len(pages) == 1 and not corrected:
            c.equal(len(s.requests), N if e["retry"] else 1, "requests")
        c.ok("\n" not in text, "one line")
    return "corpus: %s: %s" % (spec["id"], spec["why"]), run


with open(os.path.join(SRC, "tests/data/s3xml/cases.json")) as f:
    CASES += [corpus_case(s) for s in json.load(f)["cases"]]


@case
def virtual_host(c):
    """virtual-host style names the bucket in the host, path style in the path"""
    for style, host, path in (("false", "obs-raw.", "/"), ("true", "", "/obs-raw")):
        proxy = Server(always(GOOD_LIST))
        client("http://s3.example.org", *LIST, S3_TEST_PATH_STYLE=style, http_proxy=proxy.url)
        q = proxy.requests[0]
        c.equal(q.headers["host"], host + "s3.example.org", "Host, path_style " + style)
        c.equal(q.target.split("?")[0], "http://%ss3.example.org%s" % (host, path), "target")


sys.exit(main())
