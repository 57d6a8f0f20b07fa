/*
 * s3_retry.h: what is tried again, when, and how often.  Private to the s3 store.
 *
 * Full jitter: a delay is uniform between 0 and min(cap, base * 2^(n-1)), so that many clients do not return in step;
 * a server's Retry-After is a lower bound (up to S3_RETRY_AFTER_MAX).  A budget shared by all requests of a store
 * keeps retries from multiplying the load of a server that is down: a failure costs tokens, a success earns one.
 */
#ifndef STORE_S3_RETRY_H
#define STORE_S3_RETRY_H

#include "base/err.h"

#define S3_DELAY_CAP       20000
#define S3_RETRY_AFTER_MAX 60000

enum s3_verdict {
	S3_FAIL, /* trying again cannot help */
	S3_RETRY, /* the same again, later */
	S3_THROTTLED, /* the same, with longer delays */
	S3_WRONG_REGION, /* once, signed for the right region */
	S3_WRONG_CLOCK, /* once, signed with the server's time */
	S3_STALE_CREDENTIALS, /* once, with fresh ones */
	S3_REDIRECTED, /* to another address of the same bucket */
};

/* By the service's error code first (may be ""), then by status; status 0: no answer, by err's class. */
enum s3_verdict s3_verdict(int status, const char *code, const struct err *err);

struct s3_budget {
	int tokens; /* starts at S3_BUDGET */
};
#define S3_BUDGET 500
/* Take what another attempt costs (more after a time-out); false: used up, do not try again. */
bool s3_budget_take(struct s3_budget *, bool timeout);
void s3_budget_earn(struct s3_budget *);

/* Delay before attempt n + 1, n from 1.  retry_after: what the server asked for in ms, 0 for nothing. */
tm_ms s3_retry_delay(int n, bool throttled, tm_ms retry_after);
/* The ceiling that the jitter of attempt n is drawn below. */
tm_ms s3_retry_ceiling(int n, bool throttled);
/* Retry-After (seconds or a date) and x-amz-retry-after (milliseconds), each may be NULL; now for dates. */
tm_ms s3_retry_after(const char *retry_after, const char *amz_retry_after, tm_ms now);

#endif
