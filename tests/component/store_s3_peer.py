#!/usr/bin/python3
"""The s3 store and boto3 on one real bucket: each reads what the other wrote; then access, clocks and kills.

Run by test_store_s3.sh with the S3_TEST_ variables of a gateway.
"""
import hashlib, json, os, random, signal, subprocess, sys, tempfile, time
import boto3
from botocore.config import Config

E = os.environ
BUILD = E.get("TEST_BUILDDIR", ".")
CLIENT = os.path.join(BUILD, "tests/component/store_client")
count = bad = 0


def ok(cond, what):
    global count, bad
    count += 1
    bad += not cond
    print("%sok %d - %s" % ("" if cond else "not ", count, what), flush=True)
    return cond


def peer(access, secret):
    return boto3.client("s3", endpoint_url=E["S3_TEST_ENDPOINT"], aws_access_key_id=access, aws_secret_access_key=secret,
                        region_name="us-east-1", config=Config(s3={"addressing_style": "path"}))


s3 = peer(E["S3_TEST_ACCESS_KEY"], E["S3_TEST_SECRET_KEY"])
BUCKET = "peer"
s3.create_bucket(Bucket=BUCKET)


def env(**more):
    e = {k: v for k, v in E.items() if not k.startswith("AWS_")}
    e.update(S3_TEST_BUCKET=BUCKET, AWS_ACCESS_KEY_ID=E["S3_TEST_ACCESS_KEY"], AWS_SECRET_ACCESS_KEY=E["S3_TEST_SECRET_KEY"], **more)
    return e


def client(*args, **more):
    p = subprocess.run([CLIENT, *args], env=env(**more), stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
    try:
        r = json.loads(p.stdout.decode().splitlines()[-1])
    except (IndexError, ValueError):
        r = {"ok": None, "text": p.stderr.decode("utf-8", "replace")[-1500:]}
    r["log"] = p.stderr.decode("utf-8", "replace")
    if r["ok"] is None:
        print("# " + r["text"].replace("\n", "\n# "))
    return r


def temp(data):
    f = tempfile.NamedTemporaryFile(delete=False)
    f.write(data)
    f.close()
    return f.name


seed = random.randrange(1 << 30)
print("# seed", seed)
rng = random.Random(seed)


def odd_key(i):
    alphabet = list("ab/.+%&=?#~ '\"<>\\;:,@!*()$^|{}[]-_\t") + ["\u00e9", "e\u0301", "\U0001f52d", "\u202e", "\x01", "\x7f", "\n"]
    return "odd/%02d" % i + "".join(rng.choice(alphabet) for _ in range(rng.randrange(1, 12))) + "x"


keys = [odd_key(i) for i in range(60)]
theirs, ours = keys[:30], keys[30:]
for k in theirs:
    s3.put_object(Bucket=BUCKET, Key=k, Body=k.encode())
same = True
for k in theirs:
    r = client("get", k)
    if r.get("content_sha256") != hashlib.sha256(k.encode()).hexdigest():
        same = ok(False, "we read %r: %s" % (k, r.get("text")))
ok(same, "we read 30 odd keys that boto3 wrote")
path = temp(b"ours")
same = True
for k in ours:
    r = client("put", k, path)
    if not r["ok"]:
        same = ok(False, "we write %r: %s" % (k, r.get("text")))
got = {k: s3.get_object(Bucket=BUCKET, Key=k) for k in ours}
ok(same and all(o["Body"].read() == b"ours" for o in got.values()), "boto3 reads 30 odd keys that we wrote")
ok(all(o["Metadata"].get("sha256") == hashlib.sha256(b"ours").hexdigest() for o in got.values()), "and sees the sum")
r = client("list", "odd/")
ok([k["key"] for k in r.get("keys", [])] == sorted(keys, key=lambda k: k.encode()), "we list the 60 in order %s" % r.get("text", ""))
aws = subprocess.run(["/usr/bin/aws", "--endpoint-url", E["S3_TEST_ENDPOINT"], "s3api", "head-object", "--bucket", BUCKET, "--key", ours[0]],
                     env=env(AWS_DEFAULT_REGION="us-east-1"), stdout=subprocess.PIPE, stderr=subprocess.PIPE) \
    if os.path.exists("/usr/bin/aws") else None
if aws is None:
    print("# awscli is not installed")
else:
    ok(aws.returncode == 0 and json.loads(aws.stdout)["ContentLength"] == 4, "awscli sees our object")

# A page that ends on a key whose control character the gateway writes raw into its token.
many = ["page/%04d" % i for i in range(999)] + ["page/0999\x01", "page/1000", "page/1001"]
for k in many:
    s3.put_object(Bucket=BUCKET, Key=k, Body=b"")
r = client("list", "page/")
ok([k["key"] for k in r.get("keys", [])] == many, "a token that is no XML does not end a listing: %s" % r.get("text", ""))

# Parts: a large file, a copy in parts, both read back by the peer.
big = os.urandom(1 << 20) * 23
big_path = temp(big)
big_sum = hashlib.sha256(big).hexdigest()
r = client("put", "big/file", big_path)
ok(r["ok"] and r["etag"].endswith("-5"), "23 MiB in five parts: %s" % r.get("text", r.get("etag")))
o = s3.get_object(Bucket=BUCKET, Key="big/file")
ok(hashlib.sha256(o["Body"].read()).hexdigest() == big_sum and o["Metadata"].get("sha256") == big_sum, "boto3 reads it, sum and all")
r = client("copy", "big/file", "big/copy", S3_TEST_COPY_LIMIT="6000000")
o = s3.get_object(Bucket=BUCKET, Key="big/copy")
ok(r["ok"] and hashlib.sha256(o["Body"].read()).hexdigest() == big_sum, "a copy in parts has the same bytes: %s" % r.get("text", ""))
ok(o["Metadata"].get("sha256") == big_sum and o["ETag"].strip('"').endswith("-5"), "and the sum")


def uploads():
    return len(s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []))


def marks():
    return [o["Key"] for o in s3.list_objects_v2(Bucket=BUCKET, Prefix=".orch/uploads/").get("Contents", [])]


ok(uploads() == 0 and marks() == [], "no upload and no mark is left")
left = 0
for i in range(8):
    p = subprocess.Popen([CLIENT, "put", "big/killed", big_path], env=env(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    before, deadline = uploads(), time.time() + 10
    while uploads() == before and p.poll() is None and time.time() < deadline:
        pass
    time.sleep(rng.random() * 0.15)
    p.send_signal(signal.SIGKILL)
    p.wait()
    left = max(left, uploads())
ok(left > 0, "kills left uploads behind")
whole = s3.list_objects_v2(Bucket=BUCKET, Prefix="big/killed").get("Contents", [])
ok(all(o["Size"] == len(big) for o in whole), "killed while it sends parts: whole or absent")
print("# %d uploads and %d marks were left behind by 8 kills" % (uploads(), len(marks())))
young = marks()
r = client("put", "big/after", big_path)
ok(r["ok"] and marks() == young, "a young one may belong to somebody and is spared")
time.sleep(1.1)
marked = len(marks())
r = client("put", "big/after", big_path, S3_TEST_SWEEP_AGE="1")
deadline = time.time() + 20
while marks() and time.time() < deadline:
    r = client("put", "big/after", big_path, S3_TEST_SWEEP_AGE="1")
ok(marks() == [], "old ones are aborted by a later upload (%d)" % marked)
ok("aborted the unfinished upload of big/killed" in r["log"] or marked == 0 or uploads() == 0, "and the log tells")
ok(uploads() == 0, "nor is there an upload that nobody knows, whenever the kill came (%d)" % uploads())

# TERM instead of KILL: the upload is aborted on the way out.
ended = 0
clean = True
for i in range(4):
    before, marked = uploads(), len(marks())
    p = subprocess.Popen([CLIENT, "put", "big/ended", big_path], env=env(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    deadline = time.time() + 10
    while uploads() == before and p.poll() is None and time.time() < deadline:
        pass
    p.send_signal(signal.SIGTERM)
    began = time.time()
    r = json.loads(p.communicate()[0].decode().splitlines()[-1])
    ended += r.get("class") == "cancelled"
    clean = clean and time.time() - began < 5 and (uploads(), len(marks())) == (before, marked)
ok(clean, "TERM ends an upload soon and leaves nothing of it (%d of 4 were in the middle)" % ended)

# Access.
for what, more, code in (
        ("a wrong secret", {"AWS_SECRET_ACCESS_KEY": "wrong"}, "denied"),
        ("an unknown key", {"AWS_ACCESS_KEY_ID": "nobody"}, "denied"),
        ("somebody else's bucket", {"AWS_ACCESS_KEY_ID": E["S3_TEST_OTHER_ACCESS_KEY"],
                                    "AWS_SECRET_ACCESS_KEY": E["S3_TEST_OTHER_SECRET_KEY"]}, "denied"),
        ("no such bucket", {"S3_TEST_BUCKET": "nowhere"}, "no_bucket")):
    e = env()
    e.update(more)
    p = subprocess.run([CLIENT, "list", ""], env=e, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    r = json.loads(p.stdout.decode().splitlines()[-1])
    ok((r["ok"], r.get("class"), r.get("code")) == (False, "permanent", code), "%s: %s" % (what, r.get("text")))

# Clocks: the gateway refuses more than 15 minutes.
for minutes in (16, -16):
    r = client("put", "clock", path, ORCH_CLOCK_OFFSET_MS=str(minutes * 60000))
    ok(r["ok"] and "signing with the server's time" in r["log"], "a clock %d minutes off: %s" % (minutes, r.get("text", "works")))

# Certificates.
tls = {"S3_TEST_ENDPOINT": E["S3_TEST_TLS_ENDPOINT"]}
e = env()
e.update(tls)
for what, ca, name in (("the system's certificates do not know it", "", None), ("the right CA", E["S3_TEST_CA"], True)):
    if ca:
        e["S3_TEST_CA"] = ca
    else:
        e.pop("S3_TEST_CA", None)
    t = time.monotonic()
    p = subprocess.run([CLIENT, "list", "odd/"], env=e, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    r = json.loads(p.stdout.decode().splitlines()[-1])
    if name:
        ok(r["ok"], "TLS, %s" % what)
    else:
        ok((r.get("class"), r.get("code")) == ("permanent", "tls") and "attempt 2" not in p.stderr.decode(),
           "TLS, %s: %s" % (what, r.get("text")))

print("1..%d" % count)
sys.exit(bad != 0)
