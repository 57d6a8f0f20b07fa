/* Fuzz target: an S3 event notification, as anybody with the token may send it. */
#include "config.h"

#include "push/notification.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

const char *const fuzz_corpus[] = {"tests/data/push", NULL};

static void on_record(const struct announced *a, void *arg)
{
	int64_t *records = arg;

	(*records)++;
	FUZZ_PROMISE(
	    store_key_check(a->key, NULL) == 0 && (a->raw == NULL || store_key_check(a->raw, NULL) == 0));
	FUZZ_PROMISE(a->raw == NULL || strcmp(a->raw, a->key) != 0);
	FUZZ_PROMISE(a->bucket[0] != '\0' && strlen(a->bucket) <= NOTIFICATION_BUCKET_MAX);
	FUZZ_PROMISE(a->etag != NULL && a->sequencer != NULL && a->time != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	int64_t records = 0, bad = 0;
	struct err err = ERR_INIT;

	if (notification_read((const char *)p, n, on_record, &records, &bad, &err) == -1)
		FUZZ_PROMISE(err.class == ERR_BAD_DATA && err.text[0] != '\0' && records == 0);
	else
		FUZZ_PROMISE(records + bad <= NOTIFICATION_RECORDS_MAX);
	return 0;
}
