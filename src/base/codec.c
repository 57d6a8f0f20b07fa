#include "config.h"

#include "base/codec.h"

#include <string.h>

void hex_encode(const void *p, size_t n, char *out)
{
	static const char digit[] = "0123456789abcdef";
	const unsigned char *b = p;

	for (size_t i = 0; i < n; i++) {
		out[2 * i] = digit[b[i] >> 4];
		out[2 * i + 1] = digit[b[i] & 15];
	}
	out[2 * n] = '\0';
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int hex_byte(const char *s)
{
	int hi = hex_digit(s[0]), lo = hi != -1 ? hex_digit(s[1]) : -1;

	return lo != -1 ? hi << 4 | lo : -1;
}

int hex_decode(const char *s, void *out, size_t n)
{
	unsigned char *b = out;

	if (strlen(s) != 2 * n)
		return -1;
	for (size_t i = 0; i < n; i++) {
		int byte = hex_byte(s + 2 * i);

		if (byte == -1)
			return -1;
		b[i] = (unsigned char)byte;
	}
	return 0;
}

static const char base64_digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int base64_encode(struct strbuf *out, const void *p, size_t n)
{
	size_t need = n / 3 * 4 + (n % 3 ? 4 : 0);
	const unsigned char *b = p;
	char *to;

	if (n > INT32_MAX / 2 || (to = strbuf_room(out, need)) == NULL)
		return -1;
	for (size_t i = 0; i < n; i += 3, to += 4) {
		size_t left = n - i;
		uint32_t v =
		    (uint32_t)b[i] << 16 | (left > 1 ? (uint32_t)b[i + 1] << 8 : 0) | (left > 2 ? b[i + 2] : 0);

		to[0] = base64_digit[v >> 18];
		to[1] = base64_digit[v >> 12 & 63];
		to[2] = left > 1 ? base64_digit[v >> 6 & 63] : '=';
		to[3] = left > 2 ? base64_digit[v & 63] : '=';
	}
	strbuf_grew(out, need);
	return 0;
}

static int base64_value(char c)
{
	const char *at = c == '\0' ? NULL : strchr(base64_digit, c);

	return at ? (int)(at - base64_digit) : -1;
}

int base64_decode(struct strbuf *out, const char *s, size_t n)
{
	size_t pad;
	char *to;

	if (n % 4 != 0 || n > INT32_MAX / 2)
		return -1;
	if (n == 0)
		return 0;
	pad = s[n - 1] != '=' ? 0 : s[n - 2] != '=' ? 1 : 2;
	if ((to = strbuf_room(out, n / 4 * 3)) == NULL)
		return -1;
	for (size_t i = 0; i < n; i += 4, to += 3) {
		uint32_t v = 0;

		for (size_t k = i; k < i + 4; k++) {
			int digit = k >= n - pad ? 0 : base64_value(s[k]);

			if (digit == -1) {
				strbuf_truncate(out, out->len);
				return -1;
			}
			v = v << 6 | (uint32_t)digit;
		}
		to[0] = (char)(v >> 16);
		to[1] = (char)(v >> 8);
		to[2] = (char)v;
	}
	strbuf_grew(out, n / 4 * 3 - pad);
	return 0;
}

/* Most of it, eight bytes at a time. */
static const unsigned char *skip_ascii(const unsigned char *p, const unsigned char *end)
{
	uint64_t eight;

	for (; end - p >= 8; p += 8) {
		memcpy(&eight, p, 8);
		if ((eight & UINT64_C(0x8080808080808080)) != 0)
			break;
	}
	return p;
}

bool utf8_valid(const char *s, size_t n)
{
	const unsigned char *p = (const unsigned char *)s, *end = p + n;

	while (p < end) {
		unsigned c = *p++, least;
		int more;

		if (c < 0x80) {
			p = skip_ascii(p, end);
			continue;
		}
		if (c >= 0xc2 && c <= 0xdf) {
			more = 1, least = 0x80, c &= 0x1f;
		} else if ((c & 0xf0) == 0xe0) {
			more = 2, least = 0x800, c &= 0x0f;
		} else if (c >= 0xf0 && c <= 0xf4) {
			more = 3, least = 0x10000, c &= 0x07;
		} else {
			return false;
		}
		for (; more > 0; more--) {
			if (p == end || (*p & 0xc0) != 0x80)
				return false;
			c = c << 6 | (*p++ & 0x3f);
		}
		if (c < least || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
			return false;
	}
	return true;
}
