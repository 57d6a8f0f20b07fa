/* codec.h: hex, base64, and UTF-8 checks on pointer + length. */
#ifndef CODEC_H
#define CODEC_H

#include "base/strbuf.h"

/* 2 * n lower-case digits and a NUL. */
void hex_encode(const void *p, size_t n, char *out);
/* The byte that two digits of either case stand for; -1: they are none. */
int hex_byte(const char *s);
/* Exactly 2 * n hex digits of either case; -1 otherwise. */
int hex_decode(const char *s, void *out, size_t n);
/* Standard alphabet with padding. */
int base64_encode(struct strbuf *out, const void *p, size_t n);
/* Standard alphabet, padding required, no blanks; -1 when malformed or past out's limit. */
int base64_decode(struct strbuf *out, const char *s, size_t n);
/* Well-formed UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF. */
bool utf8_valid(const char *s, size_t n);

#endif
