/* What an answer means: an object, or a refusal. */
#include "config.h"

#include "store/s3_impl.h"

#include "base/clock.h"

#include <curl/curl.h>
#include <string.h>

void s3_etag(const char *quoted, char out[STORE_ETAG_MAX])
{
	size_t n = quoted ? strlen(quoted) : 0;

	if (n >= 2 && quoted[0] == '"' && quoted[n - 1] == '"')
		quoted++, n -= 2;
	if (n >= STORE_ETAG_MAX)
		n = 0;
	if (n > 0)
		memcpy(out, quoted, n);
	out[n] = '\0';
}

void s3_object_fill(struct s3_object *o, const char *key, const struct http_response *resp)
{
	const char *modified = http_header(resp, "last-modified"),
	           *sum = http_header(resp, "x-amz-meta-sha256");
	time_t t = modified ? curl_getdate(modified, NULL) : -1;

	s3_etag(http_header(resp, "etag"), o->etag);
	o->obj = (struct store_object){
	    .key = key, .size = resp->length, .etag = o->etag, .modified = t == -1 ? 0 : (tm_ms)t * 1000};
	if (sum != NULL && strlen(sum) == SHA256_HEX - 1 && strspn(sum, "0123456789abcdef") == SHA256_HEX - 1)
		o->obj.sha256 = sum;
}

/* What a status means to callers of the store; the rest is refused without a code of its own. */
static const struct {
	int status;
	const char *code;
} status_code[] = {
    {401, "denied"},
    {403, "denied"},
    {404, "not_found"},
    {412, "precondition"},
    {416, "bad_range"},
    {501, "unsupported"},
};

static const struct {
	const char *code, *hint;
} hints[] = {
    {"AccessDenied", "the credentials may not do this"},
    {"InvalidAccessKeyId", "the access key is unknown there"},
    {"NoSuchBucket", "the server has no bucket of this name; is it the right endpoint?"},
    {"RequestTimeTooSkewed", "this machine's clock and the server's differ"},
    {"SignatureDoesNotMatch", "the secret key is wrong, or something between changed the request"},
};

static const char *hint_for(const char *code)
{
	for (size_t i = 0; i < NITEMS(hints); i++)
		if (strcmp(code, hints[i].code) == 0)
			return hints[i].hint;
	return "";
}

static void one_line(char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			*s = ' ';
}

void s3_refused(const struct s3_call_options *o, const char *name, int status, struct s3_error *doc,
    const struct http_response *resp, struct err *err)
{
	enum s3_verdict v = s3_verdict(status, doc->code, NULL);
	const char *id = resp ? http_header(resp, "x-amz-request-id") : NULL, *hint = hint_for(doc->code);
	char code[ERR_CODE_MAX];

	one_line(doc->message);
	if (doc->code[0] != '\0')
		snprintf(code, sizeof(code), "s3.%.40s", doc->code);
	else
		snprintf(code, sizeof(code), "http.%d", status);
	for (size_t i = 0; i < NITEMS(status_code) && v == S3_FAIL; i++)
		if (status == status_code[i].status)
			snprintf(code, sizeof(code), "%s", status_code[i].code);
	if (strcmp(doc->code, "NoSuchBucket") == 0)
		snprintf(code, sizeof(code), "no_bucket");
	bool transient = v == S3_RETRY || v == S3_THROTTLED || v == S3_WRONG_CLOCK || v == S3_STALE_CREDENTIALS;
	err_code(err, transient ? ERR_TRANSIENT : ERR_PERMANENT, code, "%s %s: %d%s%s%s%s%s%s%s%s%s", o->verb,
	    name, status, doc->code[0] ? " " : "", doc->code, doc->message[0] ? ": " : "", doc->message,
	    *hint ? " (" : "", hint, *hint ? ")" : "", id ? ", request " : "", id ? id : "");
}

#define SKEW_MAX_MS (14 * 60 * 1000)

const char *s3_code_from_headers(
    const struct s3 *s3, const char *method, int status, const struct http_response *resp)
{
	const char *region = http_header(resp, "x-amz-bucket-region"), *date = http_header(resp, "date");
	const struct credential *cred = credentials_now(s3->credentials);
	time_t t = date ? curl_getdate(date, NULL) : -1;
	tm_ms off = t == -1 ? 0 : (tm_ms)t * 1000 - (clock_now() + s3->skew);

	if (strcmp(method, "HEAD") != 0 || (status != 400 && status != 403))
		return "";
	if (region != NULL && strcmp(region, s3->region) != 0)
		return "AuthorizationHeaderMalformed";
	if (off > SKEW_MAX_MS || off < -SKEW_MAX_MS)
		return "RequestTimeTooSkewed";
	if (status == 400 && cred != NULL && cred->session_token != NULL)
		return "ExpiredToken";
	return "";
}
