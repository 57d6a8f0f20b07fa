#!/bin/bash
# The s3 store against a real Ceph gateway: the suite of every store over http and over TLS, then what only S3 has.
. "${TEST_SRCDIR:-.}/tests/lib/ceph.sh"
build=${TEST_BUILDDIR:-.}

missing=$(ceph_missing)
/usr/bin/python3 -c 'import boto3' 2>/dev/null || missing="$missing python3-boto3"
if [ -n "$missing" ]; then
	echo "1..0 # SKIP not installed: $missing"
	exit 0
fi

dir=$(mktemp -d "${TMPDIR:-/tmp}/orchd-s3-XXXXXX")
trap 'ceph_stop; rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM
ceph_start "$dir/ceph" || { echo "Bail out! the gateway does not start"; exit 1; }

export S3_TEST_ENDPOINT=$CEPH_ENDPOINT S3_TEST_TLS_ENDPOINT=$CEPH_TLS_ENDPOINT S3_TEST_CA=$CEPH_CA
export S3_TEST_ACCESS_KEY=$CEPH_ACCESS_KEY S3_TEST_SECRET_KEY=$CEPH_SECRET_KEY
export S3_TEST_OTHER_ACCESS_KEY=$CEPH_OTHER_ACCESS_KEY S3_TEST_OTHER_SECRET_KEY=$CEPH_OTHER_SECRET_KEY
unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY all_proxy

bucket() { # NAME
	/usr/bin/python3 - "$1" <<'P' || exit 1
import boto3, os, sys
from botocore.config import Config
e = os.environ
boto3.client("s3", endpoint_url=e["S3_TEST_ENDPOINT"], aws_access_key_id=e["S3_TEST_ACCESS_KEY"],
             aws_secret_access_key=e["S3_TEST_SECRET_KEY"], region_name="us-east-1",
             config=Config(s3={"addressing_style": "path"})).create_bucket(Bucket=sys.argv[1])
P
}

bucket suite
bucket suite-tls
{
	"$build/tests/component/test_store" s3 suite || echo "not ok - the suite over http"
	S3_TEST_ENDPOINT=$CEPH_TLS_ENDPOINT "$build/tests/component/test_store" s3 suite-tls || echo "not ok - the suite over TLS"
	/usr/bin/python3 -B "$(dirname "$0")/store_s3_peer.py" || echo "not ok - the tests with boto3"
} | awk '/^1\.\./ { next } /^(not )?ok/ { n++; sub(/ok [0-9]*/, "ok " n) } { print } END { print "1.." n }'
