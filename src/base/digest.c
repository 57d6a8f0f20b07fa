#include "config.h"

#include "base/digest.h"

#include "base/codec.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <pthread.h>
#include <stdlib.h>

/* EVP calls on these digests fail only when memory is out; that aborts like every small allocation. */
static void must(int ok)
{
	if (ok != 1)
		abort();
}

/*
 * Looked up once: OpenSSL otherwise looks for an algorithm by its name in each use, which costs more than a small digest.
 */
static EVP_MD *md[2]; /* by kind */
static EVP_MAC_CTX *hmac; /* without key, to be copied */
static pthread_once_t looked_up = PTHREAD_ONCE_INIT;

static void look_up(void)
{
	const OSSL_PARAM sha256[] = {
	    OSSL_PARAM_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 6), OSSL_PARAM_END};
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);

	md[DIGEST_SHA256] = EVP_MD_fetch(NULL, "SHA256", NULL);
	md[DIGEST_MD5] = EVP_MD_fetch(NULL, "MD5", NULL);
	hmac = EVP_MAC_CTX_new(mac);
	must(md[DIGEST_SHA256] != NULL && md[DIGEST_MD5] != NULL && hmac != NULL);
	must(EVP_MAC_CTX_set_params(hmac, sha256));
	EVP_MAC_free(mac);
}

static const EVP_MD *algorithm(enum digest_kind kind)
{
	pthread_once(&looked_up, look_up);
	return md[kind];
}

struct digest *digest_new(enum digest_kind kind)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	must(ctx != NULL);
	must(EVP_DigestInit_ex(ctx, algorithm(kind), NULL));
	return (struct digest *)ctx;
}

void digest_update(struct digest *d, const void *p, size_t n)
{
	must(EVP_DigestUpdate((EVP_MD_CTX *)d, p, n));
}

void digest_final(struct digest *d, char *out)
{
	unsigned char raw[EVP_MAX_MD_SIZE];
	unsigned int n;

	must(EVP_DigestFinal_ex((EVP_MD_CTX *)d, raw, &n));
	hex_encode(raw, n, out);
	digest_free(d);
}

void digest_free(struct digest *d)
{
	EVP_MD_CTX_free((EVP_MD_CTX *)d);
}

void sha256_raw(const void *p, size_t n, unsigned char out[SHA256_BYTES])
{
	must(EVP_Digest(p, n, out, NULL, algorithm(DIGEST_SHA256), NULL));
}

void sha256_hex(const void *p, size_t n, char out[SHA256_HEX])
{
	unsigned char raw[SHA256_BYTES];

	sha256_raw(p, n, raw);
	hex_encode(raw, sizeof(raw), out);
}

void sha256_hmac(const void *key, size_t nkey, const void *p, size_t n, unsigned char out[SHA256_BYTES])
{
	EVP_MAC_CTX *ctx;
	size_t len;

	pthread_once(&looked_up, look_up);
	must((ctx = EVP_MAC_CTX_dup(hmac)) != NULL);
	must(EVP_MAC_init(ctx, key, nkey, NULL));
	must(EVP_MAC_update(ctx, p, n));
	must(EVP_MAC_final(ctx, out, &len, SHA256_BYTES));
	EVP_MAC_CTX_free(ctx);
}
