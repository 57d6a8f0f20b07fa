/*
 * notification.h: what a sender of S3 event notifications says, in any of its dialects; pure functions over bytes.
 *
 *     AWS, Ceph      {"Records": [{"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name"}, "object": {"key", ..}}}]}
 *     MinIO          {"EventName", "Key", "Records": [the same, with names as "s3:ObjectCreated:Put"]}
 *     EventBridge    {"detail-type": "Object Created", "source": "aws.s3", "detail": {"bucket": {"name"}, "object": {..}}}
 *     AWS, once      {"Service": "Amazon S3", "Event": "s3:TestEvent"}: good, and nothing to do
 *
 * Keys in records are form-encoded ("a+b%2Bc" is "a b+c"), but some gateways send them as they are, so both readings count.
 */
#ifndef NOTIFICATION_H
#define NOTIFICATION_H

#include "base/err.h"
#include "store/store.h"

#define NOTIFICATION_RECORDS_MAX 1000
#define NOTIFICATION_BUCKET_MAX  255

enum announced_what { ANNOUNCED_CREATED, ANNOUNCED_REMOVED, ANNOUNCED_OTHER };

/* One record; all lent. */
struct announced {
	enum announced_what what;
	const char *bucket, *key;
	const char *raw; /* the key as it was sent, when that is another key; NULL otherwise */
	const char *etag, *sequencer, *time; /* "" when they were not sent */
};

/*
 * Call on_record for each usable record; *bad counts those that are none (no key, no such key can be).  Fails with
 * BAD_DATA when the whole is no notification, code "too_many" when it has more than NOTIFICATION_RECORDS_MAX; then
 * on_record was not called.
 */
int notification_read(const char *body, size_t n, void (*on_record)(const struct announced *, void *arg),
    void *arg, int64_t *bad, struct err *err);

#endif
