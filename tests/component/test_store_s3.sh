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

# A gateway that goes away in the middle of an upload and comes back a second later.
outage() {
	head -c 30000000 /dev/urandom >"$dir/data"
	want=$(sha256sum <"$dir/data" | cut -d' ' -f1)
	export S3_TEST_BUCKET=suite S3_TEST_ATTEMPTS=15
	AWS_ACCESS_KEY_ID=$CEPH_ACCESS_KEY AWS_SECRET_ACCESS_KEY=$CEPH_SECRET_KEY \
		"$build/tests/component/store_client" put outage "$dir/data" >"$dir/put.json" 2>"$dir/put.log" &
	client=$!
	sleep 0.2
	ceph_gateway_kill
	sleep 1
	ceph_gateway_start || echo "not ok - the gateway comes back"
	wait $client
	got=$(AWS_ACCESS_KEY_ID=$CEPH_ACCESS_KEY AWS_SECRET_ACCESS_KEY=$CEPH_SECRET_KEY \
		"$build/tests/component/store_client" get outage 2>/dev/null | grep -o '"content_sha256":"[0-9a-f]*"' | cut -d'"' -f4)
	if [ "$got" = "$want" ]; then
		echo "ok - an upload lives through a second without the gateway"
	else
		echo "not ok - an upload lives through a second without the gateway"
		sed 's/^/# /' "$dir/put.json" "$dir/put.log"
	fi
	echo "# $(grep -c 'attempt' "$dir/put.log") requests were tried again"
	unset S3_TEST_BUCKET S3_TEST_ATTEMPTS
}

bucket suite
bucket suite-tls
{
	"$build/tests/component/test_store" s3 suite || echo "not ok - the suite over http"
	S3_TEST_ENDPOINT=$CEPH_TLS_ENDPOINT "$build/tests/component/test_store" s3 suite-tls || echo "not ok - the suite over TLS"
	outage
	/usr/bin/python3 -B "$(dirname "$0")/store_s3_peer.py" || echo "not ok - the tests with boto3"
} | awk '/^1\.\./ { next } /^(not )?ok/ { n++; sub(/ok [0-9]*/, "ok " n) } { print } END { print "1.." n }'
