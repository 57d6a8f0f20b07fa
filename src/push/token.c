#include "config.h"

#include "push/token.h"

#include "base/codec.h"

#include <openssl/crypto.h>
#include <string.h>
#include <strings.h>

#define BASIC_MAX 8192

void token_set(struct token *t, const char *s, size_t n)
{
	sha256_raw(s, n, t->digest);
}

static bool is_token(const struct token *t, const char *s, size_t n)
{
	unsigned char digest[SHA256_BYTES];

	sha256_raw(s, n, digest);
	return CRYPTO_memcmp(digest, t->digest, sizeof(digest)) == 0;
}

static bool is_password(const struct token *t, const char *s)
{
	struct strbuf text = STRBUF_INIT(BASIC_MAX);
	bool good = false;
	const char *colon;

	if (base64_decode(&text, s, strlen(s)) == 0 && (colon = memchr(text.buf, ':', text.len)) != NULL)
		good = is_token(t, colon + 1, text.len - (size_t)(colon + 1 - text.buf));
	OPENSSL_cleanse(text.buf, text.len);
	strbuf_release(&text);
	return good;
}

/* What follows the scheme, or NULL: it is another one. */
static const char *after_scheme(const char *value, const char *scheme)
{
	size_t n = strlen(scheme);

	if (strncasecmp(value, scheme, n) != 0 || value[n] != ' ')
		return NULL;
	return value + n + strspn(value + n, " ");
}

bool token_shown(const struct token *t, const char *authorization)
{
	const char *rest;

	if (authorization == NULL)
		return false;
	if ((rest = after_scheme(authorization, "Bearer")) != NULL)
		return is_token(t, rest, strlen(rest));
	if ((rest = after_scheme(authorization, "Basic")) != NULL)
		return is_password(t, rest);
	return false;
}
