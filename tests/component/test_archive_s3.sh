#!/bin/bash
# Unpacking and deleting on a real Ceph gateway; archive_s3.py does the work.
. "${TEST_SRCDIR:-.}/tests/lib/ceph.sh"

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

export S3_TEST_ENDPOINT=$CEPH_ENDPOINT AWS_ACCESS_KEY_ID=$CEPH_ACCESS_KEY AWS_SECRET_ACCESS_KEY=$CEPH_SECRET_KEY
unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY all_proxy
/usr/bin/python3 "${TEST_SRCDIR:-.}/tests/component/archive_s3.py" "$dir/work"
