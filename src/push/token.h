/* token.h: whether whoever asks knows the token. */
#ifndef TOKEN_H
#define TOKEN_H

#include "base/digest.h"

#define TOKEN_MIN 16 /* bytes */

/* Its digest: the token itself is not kept. */
struct token {
	unsigned char digest[SHA256_BYTES];
};

void token_set(struct token *, const char *s, size_t n);
/*
 * The value of an Authorization field (NULL: none): "Bearer TOKEN", or Basic with the token as the password of any user.
 * Takes the same time for every wrong token of one length.
 */
bool token_shown(const struct token *, const char *authorization);

#endif
