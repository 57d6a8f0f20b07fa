/*
 * s3.h: the `s3` store: a bucket on AWS or a compatible server.
 *
 * An acknowledged object is durable, so lazy puts and barriers cost nothing extra.  Bodies are hashed before they are
 * sent: the server verifies MD5 and SHA-256, the SHA-256 stays with the object as x-amz-meta-sha256.  Create-only puts
 * are one step in the server (If-None-Match).  A conditional delete is, where the server honours If-Match; elsewhere
 * it is look, compare, delete, and STORE_CAP_DELETE_IF_MATCH is not set.
 *
 * Large files go up in parts; parts of an upload that fails are aborted, and those left behind by a crash (with our mark
 * and older than a day) when the store is opened for work (store_tend), or before the next upload in parts.
 */
#ifndef STORE_S3_H
#define STORE_S3_H

#include "store/store.h"

struct s3_conf {
	char *bucket, *endpoint, *region, *path_style, *ca_file, *profile;
	struct secret_ref access_key, secret_key, session_token;
	bool anonymous;
	int64_t attempts, multipart_threshold, part_size;
	tm_ms connect_timeout, timeout;
	/* Not options, for tests: most bytes of one copy request (0: the service's 5 GiB), age of abandoned uploads (0: a day). */
	int64_t copy_limit;
	tm_ms sweep_age;
};

extern const struct store_type store_s3;

#endif
