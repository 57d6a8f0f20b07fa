/* digest.h: SHA-256 and MD5 over OpenSSL's EVP, streaming or at once. */
#ifndef DIGEST_H
#define DIGEST_H

#include "base/util.h"

#define SHA256_BYTES 32
#define SHA256_HEX   65 /* with the terminating NUL */
#define MD5_HEX      33

enum digest_kind { DIGEST_SHA256, DIGEST_MD5 };

struct digest; /* owned by the caller until digest_final or digest_free */

struct digest *digest_new(enum digest_kind kind);
void digest_update(struct digest *, const void *p, size_t n);
/* Lower-case hex into out (SHA256_HEX or MD5_HEX bytes); frees the digest. */
void digest_final(struct digest *, char *out);
void digest_free(struct digest *); /* NULL is fine */

void sha256_hex(const void *p, size_t n, char out[SHA256_HEX]);
void sha256_raw(const void *p, size_t n, unsigned char out[SHA256_BYTES]);
void sha256_hmac(const void *key, size_t nkey, const void *p, size_t n, unsigned char out[SHA256_BYTES]);

#endif
