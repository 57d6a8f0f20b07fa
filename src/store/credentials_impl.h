/* credentials_impl.h: the sources of credentials.  Private to credentials*.c. */
#ifndef STORE_CREDENTIALS_IMPL_H
#define STORE_CREDENTIALS_IMPL_H

#include "store/credentials.h"
#include "net/http.h"

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
	bool odd_clock; /* it was expired by our clock when it came */
	tm_ms renew_at; /* by the monotonic clock */
	struct credentials_wait *first;
	struct event *timer;
	size_t at; /* source being asked */
	struct fetch *fetch;
	char *metadata_token; /* header line of the metadata service's session */
	bool *freed; /* set when a callback of ours frees us */
};

typedef enum source_result source_fn(struct credentials *, struct credential *out, struct err *err);

source_fn source_profile, source_web_identity, source_container, source_metadata;

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

/* One HTTP request as the present fetch, repeated a second apart while the server is at fault. */
typedef void cred_http_cb(struct credentials *, const struct http_response *, const struct err *err);
struct cred_http_options {
	const char *method, *url;
	const struct strvec *headers;
	const char *body; /* copied, wiped after use */
	tm_ms timeout;
	int attempts;
	bool no_proxy;
	cred_http_cb *cb;
};
void cred_http_start(struct credentials *, const struct cred_http_options *);
int cred_http_check(const struct http_response *, const struct err *err, struct err *out);

/* Temporary keys of a role; SOURCE_PENDING or SOURCE_ERROR. session, external_id may be NULL. */
enum source_result role_by_web_identity(
    struct credentials *, const char *role_arn, const char *token_file, const char *session, struct err *err);
enum source_result role_by_identity(struct credentials *, const char *role_arn, const char *session,
    const char *external_id, const struct credential *by, struct err *err);
enum source_result credentials_from_process(struct credentials *, const char *command, struct err *err);

#endif
