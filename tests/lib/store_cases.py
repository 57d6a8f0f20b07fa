"""Cases of the s3 store against a server that misbehaves: a client started for each, and its TAP at the end."""
import concurrent.futures, json, os, resource, shutil, subprocess, tempfile

from fault_server import answer

SRC = os.environ.get("TEST_SRCDIR", ".")
BUILD = os.environ.get("TEST_BUILDDIR", ".")

CLIENT = os.path.join(BUILD, "tests/component/store_client")
SECRET = "CANARYsecret/0123456789abcdefghijklmnopq"
TOKEN = "CANARYtoken0123456789"
ATTEMPTS = 3
ALL_OUTPUT = []
FILES = tempfile.mkdtemp(prefix="orchd-faults-")


def env_for(url, **more):
    e = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "AWS_EC2_METADATA_DISABLED": "true",
         "S3_TEST_ENDPOINT": url, "S3_TEST_BUCKET": "obs-raw", "S3_TEST_ATTEMPTS": str(ATTEMPTS),
         "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_SESSION_TOKEN": TOKEN}
    for k in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"):
        if k in os.environ:
            e[k] = os.environ[k]
    e.update({k: v for k, v in more.items() if v is not None})
    for k in [k for k, v in more.items() if v is None]:
        e.pop(k, None)
    return e


def client(url, *args, **more):
    p = subprocess.run([CLIENT, *args], env=env_for(url, **more), stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
    out, log = p.stdout.decode("utf-8", "replace"), p.stderr.decode("utf-8", "replace")
    ALL_OUTPUT.append(out + log)
    try:
        r = json.loads(out.splitlines()[-1])
    except (IndexError, ValueError):
        r = {"ok": None, "class": "crash", "code": str(p.returncode), "text": log[-2000:]}
    r["log"] = log
    r["rss_kib"] = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return r


def xml_error(code, **fields):
    inner = "".join("<%s>%s</%s>" % (k, v, k) for k, v in fields.items())
    return '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>%s</Code><Message>no</Message>%s</Error>' % (code, inner)


XML = [("Content-Type", "application/xml")]


def listing(*keys):
    items = "".join("<Contents><Key>%s</Key><LastModified>2025-04-30T13:35:02.000Z</LastModified><ETag>&quot;d41d8cd98f00b204e"
                    "9800998ecf8427e&quot;</ETag><Size>5</Size></Contents>" % k for k in keys)
    return ('<?xml version="1.0"?><ListBucketResult><Name>obs-raw</Name><Prefix>raw/</Prefix><KeyCount>%d</KeyCount>'
            "<IsTruncated>false</IsTruncated>%s</ListBucketResult>" % (len(keys), items))


GOOD_LIST = answer(200, listing("raw/a"), XML)


def always(*actions):
    return lambda r, n: list(actions)


def first(*actions, then):
    return lambda r, n: list(actions) if n == 1 else [then]


class Check:
    """Collects the results of one case; printed in order at the end."""

    def __init__(self, name):
        self.name, self.lines, self.good = name, [], True

    def ok(self, cond, what):
        if not cond:
            self.good = False
            self.lines.append(what)

    def equal(self, got, want, what):
        self.ok(got == want, "%s: got %r, want %r" % (what, got, want))


LIST, GET = ("list", "raw/"), ("get", "raw/x")
CASES = []


def case(fn):
    CASES.append((fn.__doc__, fn))
    return fn


def main():
    if not os.path.exists(CLIENT):
        print("1..0 # SKIP store_client is not built")
        return 0
    results = []
    with concurrent.futures.ThreadPoolExecutor(max_workers=8) as pool:
        def run(one):
            name, fn = one
            c = Check(name)
            try:
                fn(c)
            except Exception as e:  # a broken case is a failed case
                c.ok(False, "%s: %s" % (type(e).__name__, e))
            return c
        results = list(pool.map(run, CASES))
    bad = 0
    for i, c in enumerate(results, 1):
        print("%sok %d - %s" % ("" if c.good else "not ", i, c.name.replace("#", "")))
        for line in c.lines:
            print("#   " + line.replace("\n", "\n#   "))
        bad += not c.good
    leaks = [o for o in ALL_OUTPUT if SECRET in o or TOKEN in o]
    print("%sok %d - no secret and no token in %d outputs at the highest verbosity" %
          ("" if not leaks else "not ", len(results) + 1, len(ALL_OUTPUT)))
    print("1..%d" % (len(results) + 1))
    shutil.rmtree(FILES)
    return 1 if bad or leaks else 0
