/*
 * upload_group.h: one upload, a set of numbered pieces and the check file that says how many there must be.
 *
 * Pure judgement: what was listed and what the check file said go in, a verdict comes out.  No store, no clock, no
 * pattern.
 */
#ifndef UPLOAD_GROUP_H
#define UPLOAD_GROUP_H

#include "sensor/sensor.h"
#include "store/store.h"

enum check_state {
	CHECK_NEW, /* not read yet */
	CHECK_GOOD, /* count and bytes are known */
	CHECK_BAD, /* read, but useless: why says so */
	CHECK_UNREAD, /* could not be read this time: why says so; the next tick tries again */
};

struct upload_check {
	bool listed; /* in this tick; without it the rest is memory of earlier ones */
	enum check_state state;
	char etag[STORE_ETAG_MAX];
	int64_t size;
	int64_t count, bytes; /* what it promises */
	char *why; /* owned; NULL unless BAD or UNREAD */
};

struct upload_piece {
	int64_t size;
	uint64_t etag; /* a hash of it */
	uint32_t index;
};

struct upload_group {
	struct upload_check check;
	struct upload_piece *piece;
	size_t npieces, cap;
	size_t usual; /* pieces in the tick before: so many will come again */
	int64_t bytes;
	tm_ms newest;
	unsigned width; /* digits in a piece's number, for messages */
	char date[9]; /* YYYYMMDD, or empty: older uploads are asked for first */
	uint64_t seen; /* the tick that last saw a member */
	uint64_t hash; /* of the key */
	size_t base; /* where the name begins in the key, behind the prefix */
	char key[]; /* of the check file: what the upload is known by */
};

/* What must hold besides the check file being there. */
enum { COMPLETE_COUNT = 1 << 0, COMPLETE_INDICES = 1 << 1, COMPLETE_BYTES = 1 << 2 };

struct upload_verdict {
	enum key_verdict verdict;
	char reason[320];
	char fingerprint[SHA256_HEX];
	int64_t expected; /* pieces; 0: unknown */
};

void upload_group_add_piece(struct upload_group *, uint32_t index, unsigned width, const struct store_object *);
/* The check file stands in the listing; what was known of it is dropped unless its ETag and size are the same. */
void upload_group_set_check(struct upload_group *, const struct store_object *);
void upload_check_good(struct upload_check *, int64_t count, int64_t bytes);
void upload_check_fail(struct upload_check *, enum check_state state, const char *fmt, ...) PRINTF(3, 4);
/* Sorts the pieces.  Never STALE: that needs a clock. */
void upload_group_judge(struct upload_group *, unsigned complete_when, struct upload_verdict *);

#endif
