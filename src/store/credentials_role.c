/* Roles: temporary keys from the token service, for a web identity token or signed by another identity. */
#include "config.h"

#include "store/credentials_impl.h"

#include "base/clock.h"
#include "base/digest.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/utctime.h"
#include "store/s3_xml.h"
#include "store/sigv4.h"

#include <stdlib.h>
#include <string.h>

#define TOKEN_MAX (20 * 1024)

struct sts_answer {
	char *access_key, *secret_key, *token, *expires;
	char code[64], message[200];
};

static bool ends_with(const char *path, const char *tail)
{
	size_t n = strlen(path), t = strlen(tail);

	return n > t && strcmp(path + n - t, tail) == 0 && path[n - t - 1] == '/';
}

/* The same leaves under AssumeRoleResponse and AssumeRoleWithWebIdentityResponse. */
static int on_element(void *arg, const char *path, const char *text, size_t n, struct err *err)
{
	struct sts_answer *a = arg;

	if (ends_with(path, "Credentials/AccessKeyId"))
		xstrset(&a->access_key, text);
	else if (ends_with(path, "Credentials/SecretAccessKey"))
		xstrset(&a->secret_key, text);
	else if (ends_with(path, "Credentials/SessionToken"))
		xstrset(&a->token, text);
	else if (ends_with(path, "Credentials/Expiration"))
		xstrset(&a->expires, text);
	else if (ends_with(path, "Error/Code"))
		snprintf(a->code, sizeof(a->code), "%.60s", text);
	return 0;
}

static void release_answer(struct sts_answer *a)
{
	secret_free(a->access_key);
	secret_free(a->secret_key);
	secret_free(a->token);
	free(a->expires);
}

static int parse_answer(
    const struct http_response *resp, const char *root, struct sts_answer *a, struct err *err)
{
	struct s3_xml *x = s3_xml_new(root, false, S3_XML_ERROR_MAX, on_element, a);

	s3_xml_feed(x, resp->body.buf, resp->body.len);
	int rc = s3_xml_finish(x, err);
	s3_xml_free(x);
	return rc;
}

static int refuse(const struct http_response *resp, struct sts_answer *a, struct err *err)
{
	parse_answer(resp, "ErrorResponse", a, NULL);
	return err_code(err, resp->status >= 500 ? ERR_TRANSIENT : ERR_PERMANENT, "credentials",
	    "the token service answers %d%s%s", resp->status, a->code[0] ? " " : "", a->code);
}

static int take_keys(const struct sts_answer *a, struct credential *out, struct err *err)
{
	enum source_result r =
	    credential_pair(out, "the token service's answer", a->access_key, a->secret_key, a->token, err);

	if (r == SOURCE_ABSENT)
		return err_code(err, ERR_TRANSIENT, "credentials", "the token service's answer holds no keys");
	if (r == SOURCE_FOUND && (a->expires == NULL || utctime_parse(a->expires, &out->expires) == -1))
		return err_code(
		    err, ERR_TRANSIENT, "credentials", "the token service's answer has no usable Expiration");
	return r == SOURCE_FOUND ? 0 : -1;
}

static int take_role(const char *root, const struct http_response *resp, const struct err *net,
    struct credential *out, struct err *err)
{
	struct sts_answer a = {0};
	int rc = -1;

	if (net != NULL) {
		*err = *net;
		return -1;
	}
	if (resp->status != 200) {
		refuse(resp, &a, err);
	} else if (parse_answer(resp, root, &a, err) == -1) {
		err->class = ERR_TRANSIENT; /* somebody in between has answered */
		err_wrap(err, "the token service");
	} else {
		rc = take_keys(&a, out, err);
	}
	if (rc == -1)
		credential_release(out);
	release_answer(&a);
	return rc;
}

static void fetched(
    struct credentials *c, const char *root, const struct http_response *resp, const struct err *net)
{
	struct credential out = {0};
	struct err err = ERR_INIT;

	if (take_role(root, resp, net, &out, &err) == -1)
		credentials_fetched(c, SOURCE_ERROR, NULL, &err);
	else
		credentials_fetched(c, SOURCE_FOUND, &out, NULL);
}

static void on_web_identity(struct credentials *c, const struct http_response *resp, const struct err *err)
{
	fetched(c, "AssumeRoleWithWebIdentityResponse", resp, err);
}

static void on_role(struct credentials *c, const struct http_response *resp, const struct err *err)
{
	fetched(c, "AssumeRoleResponse", resp, err);
}

static char *endpoint(const struct credentials *c)
{
	const char *set = getenv("AWS_ENDPOINT_URL_STS");

	return set && *set ? xstrdup(set) : xasprintf("https://sts.%s.amazonaws.com", c->conf.region);
}

static const char *session_name(const char *given)
{
	return given && *given ? given : PACKAGE_NAME;
}

enum source_result role_by_web_identity(
    struct credentials *c, const char *role_arn, const char *token_file, const char *session, struct err *err)
{
	struct strbuf token = STRBUF_INIT(TOKEN_MAX), form = STRBUF_INIT(4 * TOKEN_MAX);
	struct strvec headers = STRVEC_INIT;

	if (fs_read(token_file, &token, err) == -1)
		return SOURCE_ERROR;
	while (token.len > 0 && (unsigned char)token.buf[token.len - 1] <= 0x20)
		strbuf_truncate(&token, token.len - 1);
	sigv4_query(&form,
	    (const struct sigv4_pair[]){{"Action", "AssumeRoleWithWebIdentity"}, {"Version", "2011-06-15"},
	        {"RoleArn", role_arn}, {"RoleSessionName", session_name(session)},
	        {"WebIdentityToken", token.buf}},
	    5);
	secret_wipe(&token);
	char *url = endpoint(c);
	strvec_push(&headers, "Content-Type: application/x-www-form-urlencoded");
	struct cred_http_options o = {.method = "POST",
	    .url = url,
	    .headers = &headers,
	    .body = form.buf,
	    .timeout = 30000,
	    .attempts = 3,
	    .cb = on_web_identity};
	cred_http_start(c, &o);
	secret_wipe(&form);
	strvec_release(&headers);
	free(url);
	return SOURCE_PENDING;
}

enum source_result source_web_identity(struct credentials *c, struct credential *out, struct err *err)
{
	const char *arn = getenv("AWS_ROLE_ARN"), *file = getenv("AWS_WEB_IDENTITY_TOKEN_FILE");

	if (arn == NULL || *arn == '\0' || file == NULL || *file == '\0')
		return SOURCE_ABSENT;
	return role_by_web_identity(c, arn, file, getenv("AWS_ROLE_SESSION_NAME"), err);
}

static int sign_form(struct credentials *c, const struct credential *by, const char *url,
    const struct strbuf *form, struct strvec *headers, struct err *err)
{
	struct sigv4_pair pair[5];
	struct strbuf auth = STRBUF_INIT(8192);
	char date[UTCTIME_MAX], sum[SHA256_HEX], *host, *path;
	const char *rest = strstr(url, "://");
	struct civil t;
	size_t n = 0;

	rest = rest ? rest + 3 : url;
	host = xstrndup(rest, strcspn(rest, "/"));
	path = xstrdup(rest[strlen(host)] ? rest + strlen(host) : "/");
	civil_from_ms(clock_now(), &t);
	snprintf(date, sizeof(date), "%04d%02d%02dT%02d%02d%02dZ", t.year, t.month, t.day, t.hour, t.minute,
	    t.second);
	sha256_hex(form->buf, form->len, sum);
	pair[n++] = (struct sigv4_pair){"content-type", "application/x-www-form-urlencoded"};
	pair[n++] = (struct sigv4_pair){"x-amz-date", date};
	if (by->session_token != NULL)
		pair[n++] = (struct sigv4_pair){"x-amz-security-token", by->session_token};
	for (size_t i = 0; i < n; i++)
		strvec_pushf(headers, "%s: %s", pair[i].name, pair[i].value);
	pair[n++] = (struct sigv4_pair){"host", host};
	struct sigv4_request r = {.method = "POST",
	    .path = path,
	    .header = pair,
	    .nheader = n,
	    .payload = sum,
	    .date = date,
	    .region = c->conf.region,
	    .service = "sts",
	    .access_key = by->access_key,
	    .secret_key = by->secret_key};
	int rc = sigv4_authorization(&r, &auth, err);
	strvec_pushf(headers, "Authorization: %s", auth.buf);
	strbuf_release(&auth);
	free(host);
	free(path);
	return rc;
}

enum source_result role_by_identity(struct credentials *c, const char *role_arn, const char *session,
    const char *external_id, const struct credential *by, struct err *err)
{
	struct strbuf form = STRBUF_INIT(16 * 1024);
	struct strvec headers = STRVEC_INIT;
	char *url = endpoint(c);
	struct sigv4_pair field[6] = {{"Action", "AssumeRole"}, {"Version", "2011-06-15"},
	    {"DurationSeconds", "3600"}, {"RoleArn", role_arn}, {"RoleSessionName", session_name(session)},
	    {"ExternalId", external_id}};

	sigv4_query(&form, field, external_id ? 6 : 5);
	int rc = sign_form(c, by, url, &form, &headers, err);
	struct cred_http_options o = {.method = "POST",
	    .url = url,
	    .headers = &headers,
	    .body = form.buf,
	    .timeout = 30000,
	    .attempts = 3,
	    .cb = on_role};
	if (rc == 0)
		cred_http_start(c, &o);
	strbuf_release(&form);
	strvec_release(&headers);
	free(url);
	return rc == 0 ? SOURCE_PENDING : SOURCE_ERROR;
}
