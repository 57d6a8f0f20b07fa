/* s3_impl.h: what the files of the s3 store share.  Private to the s3 store. */
#ifndef STORE_S3_IMPL_H
#define STORE_S3_IMPL_H

#include "store/credentials.h"
#include "net/http.h"
#include "store/op.h"
#include "store/s3.h"
#include "store/s3_retry.h"
#include "store/s3_xml.h"
#include "store/sigv4.h"

/* Whether a conditional request can be trusted to this server; found out once. */
enum s3_probe { S3_UNKNOWN, S3_PROBING, S3_YES, S3_NO };

struct s3 {
	struct store store;
	struct op_list ops;
	const struct s3_conf *conf;
	struct http *http;
	struct credentials *credentials;
	char *scheme, *authority; /* "https", "s3.example.org:8443" */
	char *region;
	bool path_style, custom_endpoint;
	tm_ms skew; /* server's clock minus ours, once it was found too large */
	struct s3_budget budget;
	enum s3_probe delete_if_match;
	bool swept;
	char *location;
};

struct s3 *s3_of(struct store *);

/*
 * One API call: signed, sent, tried again as s3_retry.h says, corrected once each for region, clock and stale
 * credentials.  Exactly one on_done from the loop unless cancelled.
 */
struct s3_call;

struct s3_call_options {
	const char *verb; /* for people: "get" */
	const char *method; /* static text */
	const char *key; /* NULL: the bucket */
	const struct sigv4_pair *query;
	size_t nquery;
	const struct sigv4_pair *header; /* besides the signer's own */
	size_t nheader;
	/* Body as in http.h; payload: its sha256, NULL when it is empty. */
	const void *body;
	int body_fd;
	int64_t body_offset, body_size;
	const char *payload;
	bool slow; /* the server may think for minutes before it answers */
	bool streaming; /* no limit on the whole time */
	bool fresh; /* on a new connection, so that each attempt is one request (net/http.h) */
	size_t max_body;
	/* Everything above is lent until the call ends.  prepare (may be NULL) may change it before each attempt. */
	void (*prepare)(struct s3_call_options *, void *arg);
	/* Only for 2xx answers; errors are collected. */
	enum http_body (*on_head)(const struct http_response *, void *arg);
	int (*on_body)(const void *p, size_t n, void *arg); /* -1: enough */
	/*
	 * A 2xx answer has ended: does it make sense?  -1 with err (TRANSIENT: try again), or with an <Error> document in
	 * doc, which counts as a 500.  May be NULL.
	 */
	int (*check)(const struct http_response *, struct s3_error *doc, struct err *err, void *arg);
	void (*on_done)(const struct http_response *, const struct err *err, void *arg);
	void *arg;
};

struct s3_call *s3_call_start(struct s3 *, const struct s3_call_options *);
void s3_call_cancel(struct s3_call *); /* NULL is fine */
void s3_call_pause(struct s3_call *, bool paused);

/* What goes over the wire for an attempt of a call: its address and all headers, the signature among them. */
struct s3_request {
	char *host;
	struct strbuf path, url;
	struct strvec headers;
};
/* -1: the request is too large.  Release it in either case. */
int s3_request_make(struct s3_request *, const struct s3 *, const char *authority,
    const struct s3_call_options *, const struct credential *, struct err *err);
void s3_request_release(struct s3_request *);

/* A refusal as an error of the store interface; name: of what was asked for.  resp may be NULL. */
void s3_refused(const struct s3_call_options *, const char *name, int status, struct s3_error *doc,
    const struct http_response *resp, struct err *err);
/*
 * Answers to HEAD have no body, so no code.  What we could correct shows in their headers: another region, a clock far
 * from ours (the server refuses at 15 minutes), and expired keys as a plain 400.  Lent; "" for everything else.
 */
const char *s3_code_from_headers(
    const struct s3 *, const char *method, int status, const struct http_response *);

/* ETag of an answer, bare, into out; "" when there is none. */
void s3_etag(const char *quoted, char out[STORE_ETAG_MAX]);
/* An answer's headers as an object; everything lent from the response and from etag. */
struct s3_object {
	char etag[STORE_ETAG_MAX];
	struct store_object obj;
};
void s3_object_fill(struct s3_object *, const char *key, const struct http_response *);

struct store_op *s3_list(
    struct store *, const char *prefix, const char *start_after, size_t max, store_list_cb *, void *arg);
struct store_op *s3_head(struct store *, const char *key, store_info_cb *, void *arg);
struct store_op *s3_get(struct store *, const char *key, const char *if_match, int64_t offset,
    const struct store_get_cbs *, void *arg);
struct store_op *s3_put(struct store *, const char *key, const void *p, size_t n, const struct store_put_opts *,
    store_info_cb *, void *arg);
struct store_op *s3_put_file(struct store *, const char *key, int fd, int64_t size,
    const struct store_put_opts *, store_info_cb *, void *arg);
struct store_op *s3_copy(
    struct store *, const char *from, const char *if_match, const char *to, store_info_cb *, void *arg);
struct store_op *s3_delete(struct store *, const char *key, const char *if_match, store_done_cb *, void *arg);
struct store_op *s3_delete_batch(
    struct store *, const struct store_deletion *, size_t n, const struct store_delete_cbs *, void *arg);
struct store_op *s3_barrier(struct store *, store_done_cb *, void *arg);

/* op_pause plus the transfer under it. */
void s3_get_pause(struct op *, bool paused);

/* 32 digits that nobody else has. */
#define S3_NONCE 33
void s3_nonce(char out[S3_NONCE]);

/*
 * A file or object sent in parts, several at once.  Everything is aborted when one fails or the upload is cancelled.
 * A small object ".orch/uploads/..." marks it as ours, before it is begun (by its key) and while it runs (by its id,
 * before the first part is sent), so that s3_sweep of a later process can abort what a crash left behind.
 */
struct s3_part {
	int64_t offset, size;
	unsigned char md5[16];
	char sha256[SHA256_HEX]; /* of the bytes; unused for parts of another object */
	char etag[STORE_ETAG_MAX]; /* as the server answered */
};
struct s3_upload;
struct s3_upload_options {
	const char *key, *content_type, *sha256; /* content_type and sha256 may be NULL */
	/* From memory, a file, or (copy_source "/bucket/key", encoded) another object pinned to copy_etag. */
	const void *body;
	int fd;
	const char *copy_source, *copy_etag;
	struct s3_part *part;
	size_t nparts;
	void (*on_done)(const struct err *err, void *arg);
	void *arg;
	struct s3_upload **handle; /* where the caller keeps it; NULLed when it is gone */
};
/* Everything given is lent until on_done or s3_upload_cancel. */
void s3_upload_start(struct s3 *, const struct s3_upload_options *);
void s3_upload_cancel(struct s3_upload *); /* aborted in the background; NULL is fine */
#define S3_PARTS_MAX 10000
/* The parts of this many bytes, of the configured size or larger to stay within S3_PARTS_MAX; free() it. */
struct s3_part *s3_parts_plan(const struct s3 *, int64_t size, size_t *n);
/* What the finished upload is known by: the MD5 of its parts' MD5s, a dash, their number. */
void s3_parts_etag(const struct s3_part *, size_t n, char out[STORE_ETAG_MAX]);

/*
 * Aborts what was begun by a process that died, or was not answered, before it knew the id: uploads of exactly this key,
 * begun between the two times of the server's clock, without a single part.  Those of other writers look like that for the
 * moment between their beginning and their first part, so `to` must be long ago; and there is nothing in them to lose.
 * on_done: once, from the loop, and it is gone then; err: some of them may still be there.
 */
struct s3_orphans;
struct s3_orphans *s3_orphans_abort(struct s3 *, const char *key, tm_ms from, tm_ms to,
    void (*on_done)(size_t aborted, const struct err *err, void *arg), void *arg);
void s3_orphans_cancel(struct s3_orphans *); /* NULL is fine */

#define S3_ORIGIN_HEADER "x-amz-meta-run-uid" /* struct store, origin */
#define S3_OWN           ".orch/"
#define S3_MARKS         S3_OWN "uploads/"
#define S3_PROBES        S3_OWN "probe-"
/* In the background, once: abort marked uploads, and remove probes, that are older than a day. */
void s3_sweep(struct s3 *);
/* Only while delete_if_match is S3_UNKNOWN; on_done (may be NULL) from the loop, when it is known. */
struct store_op *s3_probe_start(struct s3 *, void (*on_done)(void *arg), void *arg);

#endif
