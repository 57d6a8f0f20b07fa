/* credentials_impl.h: the sources of credentials.  Private to credentials*.c. */
#ifndef STORE_CREDENTIALS_IMPL_H
#define STORE_CREDENTIALS_IMPL_H

#include "store/credentials.h"
#include "store/http.h"

enum source_result {
	SOURCE_ERROR = -1,
	SOURCE_ABSENT, /* not configured here: ask the next one */
	SOURCE_FOUND, /* out is filled */
	SOURCE_PENDING, /* credentials_fetched will be called from the loop */
};

/* A fetch under way; its source frees it in cancel, or before it calls credentials_fetched. */
struct fetch {
	void (*cancel)(struct fetch *);
};

struct credentials {
	struct credentials_conf conf;
	struct event_base *base;
	struct http *http;
	struct credential now; /* access_key NULL and source NULL: none yet */
	bool stale; /* the server refused it */
	struct credentials_wait *first;
	struct event *timer;
	size_t at; /* source being asked */
	struct fetch *fetch;
	bool *freed; /* set when a callback of ours frees us */
};

typedef enum source_result source_fn(struct credentials *, struct credential *out, struct err *err);

/* The answer of a pending source: found takes over the strings of out; absent goes on with the next source. */
void credentials_fetched(
    struct credentials *, enum source_result, struct credential *out, const struct err *err);

void credential_release(struct credential *); /* wipes */
/* access and secret from two texts; half a pair is an error that names where. */
enum source_result credential_pair(struct credential *out, const char *where, const char *access,
    const char *secret, const char *token, struct err *err);
/* {"AccessKeyId", "SecretAccessKey", "Token" or "SessionToken", "Expiration"}: containers, metadata, processes. */
int credential_from_json(
    struct credential *out, const char *text, size_t n, const char *where, struct err *err);
void secret_free(char *s); /* wipes a string, NULL is fine */

#endif
