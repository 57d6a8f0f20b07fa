/*
 * credentials.h: who we are to the object store: the first source that has an answer, kept until shortly before it
 * expires.  Private to the s3 store.
 *
 * Sources in order: the configuration's references, environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
 * AWS_SESSION_TOKEN), the credential files of the service manager ($CREDENTIALS_DIRECTORY/aws_access_key_id,
 * aws_secret_access_key), shared files with profiles (AWS_SHARED_CREDENTIALS_FILE, AWS_CONFIG_FILE, AWS_PROFILE:
 * static keys, credential_process, role_arn with a source_profile that has keys or with a web identity token file), web
 * identity by environment, container endpoint, instance metadata (version 2 only).  Half a pair is an error, not a reason to go on.
 * Nobody is anonymous by accident: only the configuration can ask for that.
 *
 * Fetching may take time; callers that come meanwhile wait in line for the same answer.  Secrets are wiped when freed
 * and never appear in errors or logs.
 */
#ifndef STORE_CREDENTIALS_H
#define STORE_CREDENTIALS_H

#include "base/err.h"
#include "conf/opt.h"

struct credentials;
struct credentials_wait;
struct event_base;
struct http;

struct credentials_conf {
	const struct secret_ref *access_key, *secret_key, *session_token; /* source SECRET_NONE: not set */
	const char *profile; /* NULL: AWS_PROFILE or "default" */
	const char *region; /* of the token service */
	bool anonymous;
};

/* One identity; lent.  access_key NULL: anonymous, requests are not signed. */
struct credential {
	char *access_key, *secret_key, *session_token; /* session_token may be NULL */
	tm_ms expires; /* TIME_NEVER: does not */
	const char *source; /* static text for the log */
};

typedef void credentials_cb(const struct credential *, const struct err *err, void *arg);

/* conf's references must outlive the object; http stays the caller's. */
struct credentials *credentials_new(const struct credentials_conf *, struct event_base *, struct http *);
void credentials_free(struct credentials *); /* waiting callers get no answer */
/* The answer when it is at hand, or NULL. */
const struct credential *credentials_now(struct credentials *);
/* Ask; the callback runs once, from the loop. */
struct credentials_wait *credentials_get(struct credentials *, credentials_cb *, void *arg);
void credentials_cancel(struct credentials_wait *);
/* The server refused these (expired): the next credentials_get fetches anew. */
void credentials_invalidate(struct credentials *);

#endif
