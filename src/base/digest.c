#include "config.h"

#include "base/digest.h"

#include "base/codec.h"

#include <openssl/evp.h>
#include <stdlib.h>

/* EVP calls on these digests fail only when memory is out; that aborts like every small allocation. */
static void must(int ok)
{
	if (ok != 1)
		abort();
}

struct digest *digest_new(enum digest_kind kind)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	must(ctx != NULL);
	must(EVP_DigestInit_ex(ctx, kind == DIGEST_SHA256 ? EVP_sha256() : EVP_md5(), NULL));
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
	must(EVP_Digest(p, n, out, NULL, EVP_sha256(), NULL));
}

void sha256_hex(const void *p, size_t n, char out[SHA256_HEX])
{
	unsigned char raw[SHA256_BYTES];

	sha256_raw(p, n, raw);
	hex_encode(raw, sizeof(raw), out);
}
