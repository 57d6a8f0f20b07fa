/*
 * sigv4.h: Signature Version 4 as S3 wants it.  Private to the s3 store.
 *
 * The path is signed exactly as it stands on the wire: encoded once by sigv4_encode, never normalised.  Everything that
 * differs between services (service name, payload line, which headers) is the caller's.
 */
#ifndef STORE_SIGV4_H
#define STORE_SIGV4_H

#include "base/digest.h"
#include "base/err.h"
#include "base/strbuf.h"

#define SIGV4_UNSIGNED "UNSIGNED-PAYLOAD"
#define SIGV4_EMPTY    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

struct sigv4_pair {
	const char *name, *value;
};

struct sigv4_request {
	const char *method;
	const char *path; /* as on the wire: "/bucket/a%20b" */
	const struct sigv4_pair *query; /* decoded, in any order; value NULL counts as empty */
	size_t nquery;
	const struct sigv4_pair *header; /* every header to be signed, as sent; repeated names are joined */
	size_t nheader;
	const char *payload; /* last line: hex sha256 of the body or SIGV4_UNSIGNED */
	const char *date; /* "20260417T210305Z", the value of x-amz-date: read the clock once */
	const char *region, *service;
	const char *access_key, *secret_key;
};

/* The stages, so that a mismatch can be pinned to one. */
struct sigv4_signed {
	struct strbuf canonical, headers /* names, joined by ';' */, to_sign;
	char signature[SHA256_HEX];
};

int sigv4_sign(const struct sigv4_request *, struct sigv4_signed *out, struct err *err);
void sigv4_signed_release(struct sigv4_signed *);
/* The value of the Authorization header. */
int sigv4_authorization(const struct sigv4_request *, struct strbuf *out, struct err *err);

/* Percent-encode all but A-Za-z0-9-._~ (and '/' when asked), upper-case hex, whatever the locale. */
void sigv4_encode(struct strbuf *out, const char *s, size_t n, bool keep_slash);
/* The query as signed and as sent: encoded, sorted, every name with its '='. */
void sigv4_query(struct strbuf *out, const struct sigv4_pair *query, size_t n);

#endif
