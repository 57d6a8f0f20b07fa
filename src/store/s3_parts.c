#include "config.h"

#include "store/s3_impl.h"

#include "base/codec.h"
#include "base/digest.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

struct s3_part *s3_parts_plan(const struct s3 *s3, int64_t size, size_t *n)
{
	int64_t each = MAX(s3->conf->part_size, (size + S3_PARTS_MAX - 1) / S3_PARTS_MAX);
	struct s3_part *part;

	*n = (size_t)((size + each - 1) / each);
	part = xcalloc(*n, sizeof(*part));
	for (size_t i = 0; i < *n; i++) {
		part[i].offset = (int64_t)i * each;
		part[i].size = MIN(each, size - part[i].offset);
	}
	return part;
}

void s3_parts_etag(const struct s3_part *part, size_t n, char out[STORE_ETAG_MAX])
{
	struct digest *d = digest_new(DIGEST_MD5);
	char hex[MD5_HEX];

	for (size_t i = 0; i < n; i++) {
		unsigned char raw[16];

		if (strlen(part[i].etag) == MD5_HEX - 1 && hex_decode(part[i].etag, raw, 16) == 0)
			digest_update(d, raw, 16);
	}
	digest_final(d, hex);
	snprintf(out, STORE_ETAG_MAX, "%s-%zu", hex, n);
}
