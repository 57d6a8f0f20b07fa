"""unzip_chunked_archive and delete_raw as orch-step over an S3 bucket; TAP on stdout.  Started by test_archive_s3.sh."""
import fcntl
import gzip
import hashlib
import io
import json
import os
import pathlib
import random
import subprocess
import sys
import tarfile

import boto3
from botocore.config import Config

WORK = pathlib.Path(sys.argv[1])
STEP = pathlib.Path(os.environ.get("TEST_BUILDDIR", ".")) / "orch-step"
SITES = pathlib.Path(os.environ.get("TEST_SRCDIR", ".")).resolve() / "etc/sites-and-instruments.yaml"
BUCKET = "nights"
DEST = "fpi/minime05/uao/2025/20250429/"
CLOUD = "raw/Cloud_uao_20250429.txt"
PIECE = 65536
s3 = boto3.client("s3", endpoint_url=os.environ["S3_TEST_ENDPOINT"], region_name="us-east-1",
                  config=Config(s3={"addressing_style": "path"}))
results = 0
failures = 0


def ok(good, what):
    global results, failures
    results += 1
    failures += not good
    print(f"{'ok' if good else 'not ok'} {results} - {what}", flush=True)


def keys(prefix=""):
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
    return [o["Key"] for p in pages for o in p.get("Contents", [])]


def put(key, data):
    s3.put_object(Bucket=BUCKET, Key=key, Body=data)


def get(key):
    return s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()


def step(name, kind, options, upstream=None, dry_run=False):
    """One attempt, as the daemon would start it; its exit record."""
    folder = WORK / name / "1"
    (folder / "work").mkdir(parents=True)
    ledger = WORK / name.split("-")[0] / "ledger"
    ledger.mkdir(parents=True, exist_ok=True)
    context = {
        "schema": "orchd/1", "run": "01KTEST", "run_uid": "feed", "job": "night", "asset": "step", "type": kind,
        "attempt": 1, "partition": "uao/20250429", "dry_run": dry_run,
        "options": {"store": "data", "names": {"stub": "fpi{instrument_name:-2}"}, **options},
        "config": {"site": "uao", "observation_date": "20250429", "instrument_name": "minime05"},
        "upstream": {k: {"metadata": v} for k, v in (upstream or {}).items()},
        "stores": {"data": {"type": "s3", "options": {"bucket": BUCKET, "endpoint": os.environ["S3_TEST_ENDPOINT"]}}},
        "sections": {"sites": str(SITES)}, "work": str(folder / "work"), "ledger": str(ledger)}
    (folder / "context.json").write_text(json.dumps(context))
    with open(folder / "lifeline", "w") as life:
        fcntl.flock(life, fcntl.LOCK_EX)
        command = ["/bin/sh", "-c", f'exec "$0" "$1" 3<&{life.fileno()}', str(STEP), str(folder)]
        done = subprocess.run(command, pass_fds=[life.fileno()], capture_output=True, text=True, timeout=120, check=False)
    if done.returncode != 0:
        print(f"# {name}: exit {done.returncode} {done.stderr}")
    record = json.loads((folder / "exit.json").read_text())
    if record.get("error"):
        print(f"# {name}: {record['error']}")
    return record


def make_archive(members):
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in members.items():
            info = tarfile.TarInfo("20250429/" + name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return gzip.compress(raw.getvalue(), 1, mtime=0)


def upload(data):
    count = 0
    for at in range(0, len(data), PIECE):
        put(f"raw/fpi05_uao_20250429.tar.gz{count:06d}", data[at:at + PIECE])
        count += 1
    put("raw/fpi05_uao_20250429.txt", f"fpi05_uao_20250429.tar.gz000000\n{count}\n{len(data)}\n")
    return count


UNZIP = {"pieces": "{stub}_{site}_{observation_date}.tar.gz", "check_file": "{stub}_{site}_{observation_date}.txt",
         "destination": "fpi/{instrument_name}/{site}/{observation_date:4}/{observation_date}/",
         "manifest": "manifests/{instrument_name}_{site}_{observation_date}.json", "flatten": "yes",
         "copies": {"raw/Cloud_{site}_{observation_date}.txt": "cloudsensor/{site}/{observation_date:4}/"}}
CLEAN = {"shared": {"raw/Cloud_{site}_{observation_date}.txt": "sole_instrument"}}

s3.create_bucket(Bucket=BUCKET)
rng = random.Random(5)
members = {f"UAO_X_{i:04d}.img": rng.randbytes(30000 + i) for i in range(40)}
members["a name with blanks+and %25 \u00e9.img"] = b"small"
members["empty.img"] = b""
archive = make_archive(members)
pieces = upload(archive)
put(CLOUD, b"clouds")
put("raw/other.txt", b"not ours")

before = keys()
record = step("a-dry", "unzip_chunked_archive", UNZIP, dry_run=True)
ok(record["ok"] and keys() == before, "a dry run writes nothing")

record = step("a-unzip", "unzip_chunked_archive", UNZIP)
ok(record["ok"] and sorted(keys(DEST)) == sorted(DEST + n for n in members), "every member is an object")
ok(all(get(DEST + n) == d for n, d in members.items()), "with its content")
unzip = record["metadata"]
manifest = get(unzip["manifest"]["key"])
ok(hashlib.sha256(manifest).hexdigest() == unzip["manifest"]["sha256"] and len(json.loads(manifest)["pieces"]) == pieces,
   "the manifest is the recorded one")
ok(get("cloudsensor/uao/2025/Cloud_uao_20250429.txt") == b"clouds", "the cloud file was copied")

record = step("b-again", "unzip_chunked_archive", UNZIP)
ok(record["ok"] and record["metadata"]["written"] == 0 and record["metadata"]["already_present"] == len(members),
   "a second run, with another ledger, finds everything")

# A damaged upload of another night over the good one.
bad = bytearray(make_archive({n: d[::-1] for n, d in members.items()}))
bad[-100000] ^= 1
upload(bytes(bad))
record = step("c-bad", "unzip_chunked_archive", UNZIP)
ok(not record["ok"] and record["error"]["class"] == "bad_data" and all(get(DEST + n) == d for n, d in members.items()),
   "a damaged upload leaves the good night alone")
for key in keys(DEST):
    s3.delete_object(Bucket=BUCKET, Key=key)
record = step("d-bad", "unzip_chunked_archive", UNZIP)
ok(not record["ok"] and keys(DEST) == [], "and into an empty folder it leaves nothing")

upload(archive)
record = step("e-unzip", "unzip_chunked_archive", UNZIP)
ok(record["ok"], "the night once more")
unzip = record["metadata"]
output = b"winds and temperatures"
put("results/x.h5", output)
text = json.dumps({"schema": "orchd/1", "run": "01KTEST", "run_uid": "feed", "asset": "analyze:x", "partition": "",
                   "objects": [{"key": "results/x.h5", "size": len(output), "sha256": hashlib.sha256(output).hexdigest()}]})
put("results/x.manifest.json", text.encode())
analysis = {"result": "ok", "manifests": [{"key": "results/x.manifest.json",
                                           "sha256": hashlib.sha256(text.encode()).hexdigest()}]}
upstream = {"unzip": unzip, "analyze": analysis}
record = step("f-dry", "delete_raw", CLEAN, upstream, dry_run=True)
ok(record["ok"] and len(keys("raw/")) == pieces + 3, "a dry run deletes nothing")

put(DEST + "empty.img", b"x")
record = step("g-clean", "delete_raw", CLEAN, upstream)
ok(not record["ok"] and record["error"]["code"] == "not_durable" and len(keys("raw/")) == pieces + 3,
   "a changed image stops it")
put(DEST + "empty.img", b"")

put("raw/fpi05_uao_20250429.tar.gz000001", b"sent again")
record = step("h-clean", "delete_raw", CLEAN, upstream)
ok(record["ok"] and record["outcome"] == "warnings" and len(keys("raw/")) == pieces + 3, "a new upload under way keeps all")
put("raw/fpi05_uao_20250429.tar.gz000001", archive[PIECE:2 * PIECE])

record = step("i-clean", "delete_raw", {**CLEAN, "trash": "trash/"}, upstream)
ok(record["ok"] and keys("raw/") == ["raw/other.txt"], "a durable night is cleaned up")
ok(len(keys("trash/raw/")) == pieces + 2 and b"".join(
    get(k) for k in sorted(keys("trash/raw/fpi05_uao_20250429.tar.gz"))) == archive, "into the trash")
record = step("i-again", "delete_raw", {**CLEAN, "trash": "trash/"}, upstream)
ok(record["ok"] and record["metadata"]["deleted"] == 0, "once more: nothing to do")
print(f"1..{results}")
sys.exit(failures != 0)
