#include "config.h"

#include "base/codec.h"

#include <openssl/evp.h>
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

int hex_decode(const char *s, void *out, size_t n)
{
	unsigned char *b = out;

	if (strlen(s) != 2 * n)
		return -1;
	for (size_t i = 0; i < n; i++) {
		int hi = hex_digit(s[2 * i]), lo = hex_digit(s[2 * i + 1]);

		if (hi == -1 || lo == -1)
			return -1;
		b[i] = (unsigned char)(hi << 4 | lo);
	}
	return 0;
}

int base64_encode(struct strbuf *out, const void *p, size_t n)
{
	size_t need = (n + 2) / 3 * 4;
	char *room;

	if (n > INT32_MAX / 2 || (room = strbuf_room(out, need)) == NULL)
		return -1;
	EVP_EncodeBlock((unsigned char *)room, p, (int)n);
	strbuf_grew(out, need);
	return 0;
}

int base64_decode(struct strbuf *out, const char *s, size_t n)
{
	char *room;
	int got, pad = 0;

	if (n % 4 != 0 || n > INT32_MAX / 2)
		return -1;
	if (n == 0)
		return 0;
	/* EVP_DecodeBlock trims blanks and counts padding as data: refuse the one, subtract the other. */
	for (size_t i = 0; i < n; i++)
		if (s[i] <= ' ' || (s[i] == '=' && i + 2 < n))
			return -1;
	pad = (s[n - 1] == '=') + (s[n - 2] == '=');
	if (s[n - 2] == '=' && s[n - 1] != '=')
		return -1;
	if ((room = strbuf_room(out, n / 4 * 3)) == NULL)
		return -1;
	got = EVP_DecodeBlock((unsigned char *)room, (const unsigned char *)s, (int)n);
	if (got < pad)
		return -1;
	strbuf_grew(out, (size_t)(got - pad));
	return 0;
}

bool utf8_valid(const char *s, size_t n)
{
	const unsigned char *p = (const unsigned char *)s, *end = p + n;

	while (p < end) {
		unsigned c = *p++, least;
		int more;

		if (c < 0x80)
			continue;
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
