#include "config.h"

#include "push/notification.h"

#include "base/json.h"

#include <string.h>

#define RAW_MAX (3 * STORE_KEY_MAX) /* every byte of a key escaped */

struct reading {
	void (*on_record)(const struct announced *, void *arg);
	void *arg;
	int64_t bad;
};

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "a+b%2Bc" to "a b+c".  -1: it is not encoded so, or what comes out is no key. */
static int decode_key(const char *s, char out[STORE_KEY_MAX + 1])
{
	size_t n = 0;

	for (; *s != '\0'; s++) {
		int c = (unsigned char)*s;

		if (n == STORE_KEY_MAX)
			return -1;
		if (c == '+') {
			c = ' ';
		} else if (c == '%') {
			int hi = hex_value(s[1]), lo = hi == -1 ? -1 : hex_value(s[2]);

			if (lo == -1 || (c = hi << 4 | lo) == 0)
				return -1;
			s += 2;
		}
		out[n++] = (char)c;
	}
	out[n] = '\0';
	return store_key_check(out, NULL);
}

static enum announced_what what_of(const char *name)
{
	static const struct {
		const char *begin;
		enum announced_what what;
	} rows[] = {
	    {"ObjectCreated:", ANNOUNCED_CREATED},
	    {"ObjectSynced:", ANNOUNCED_CREATED}, /* Ceph: came from another zone */
	    {"ObjectRemoved:", ANNOUNCED_REMOVED},
	    {"Object Created", ANNOUNCED_CREATED},
	    {"Object Deleted", ANNOUNCED_REMOVED},
	};

	if (strncmp(name, "s3:", 3) == 0)
		name += 3;
	for (size_t i = 0; i < NITEMS(rows); i++)
		if (strncmp(name, rows[i].begin, strlen(rows[i].begin)) == 0)
			return rows[i].what;
	return ANNOUNCED_OTHER;
}

/* s3: what holds "bucket" and "object". */
static void read_record(struct reading *r, const char *name, const char *time, const json_t *s3, bool encoded)
{
	const json_t *object = json_object_get(s3, "object");
	const char *key = json_str(object, "key", ""),
	           *etag = json_str(object, "eTag", json_str(object, "etag", ""));
	char decoded[STORE_KEY_MAX + 1];
	struct announced a = {
	    .what = what_of(name),
	    .bucket = json_str(json_object_get(s3, "bucket"), "name", ""),
	    .etag = etag,
	    .sequencer = json_str(object, "sequencer", ""),
	    .time = time,
	};
	bool raw_good = store_key_check(key, NULL) == 0;

	if (encoded && strlen(key) <= RAW_MAX && decode_key(key, decoded) == 0)
		a.key = decoded;
	else if (raw_good)
		a.key = key;
	if (a.key == NULL || a.bucket[0] == '\0' || strlen(a.bucket) > NOTIFICATION_BUCKET_MAX) {
		r->bad++;
		return;
	}
	if (raw_good && strcmp(a.key, key) != 0)
		a.raw = key;
	r->on_record(&a, r->arg);
}

static int read_records(struct reading *r, const json_t *records, struct err *err)
{
	json_t *record;
	size_t i;

	if (!json_is_array(records))
		return err_set(err, ERR_BAD_DATA, "Records is not a list");
	if (json_array_size(records) > NOTIFICATION_RECORDS_MAX)
		return err_code(err, ERR_BAD_DATA, "too_many", "%zu records, at most %d are taken at once",
		    json_array_size(records), NOTIFICATION_RECORDS_MAX);
	json_array_foreach(records, i, record) read_record(r, json_str(record, "eventName", ""),
	    json_str(record, "eventTime", ""), json_object_get(record, "s3"), true);
	return 0;
}

static int read_body(struct reading *r, const json_t *body, struct err *err)
{
	const json_t *records = json_object_get(body, "Records"), *detail = json_object_get(body, "detail");

	if (records != NULL)
		return read_records(r, records, err);
	if (json_is_object(detail) && strcmp(json_str(body, "source", ""), "aws.s3") == 0) {
		read_record(r, json_str(body, "detail-type", ""), json_str(body, "time", ""), detail, false);
		return 0;
	}
	if (strcmp(json_str(body, "Event", ""), "s3:TestEvent") == 0)
		return 0;
	return err_set(err, ERR_BAD_DATA, "no Records: this is not an S3 event notification");
}

int notification_read(const char *body, size_t n, void (*on_record)(const struct announced *, void *arg),
    void *arg, int64_t *bad, struct err *err)
{
	struct reading r = {.on_record = on_record, .arg = arg};
	json_t *j = json_parse(body, n, "notification", err);
	int rc = j ? read_body(&r, j, err) : -1;

	json_decref(j);
	*bad = r.bad;
	return rc;
}
