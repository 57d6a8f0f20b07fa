#include "config.h"

#include "web/html.h"

#include "base/codec.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* Characters that change how their neighbours are shown: bidirectional controls, zero-width ones, the byte order mark. */
static bool is_deceiving(uint32_t c)
{
	return (c >= 0x200b && c <= 0x200f) || (c >= 0x202a && c <= 0x202e) || (c >= 0x2060 && c <= 0x2069) ||
	       c == 0xfeff || (c >= 0x80 && c <= 0x9f) || c == 0x061c;
}

static void put_ascii(struct strbuf *out, char c)
{
	switch (c) {
	case '&': strbuf_addstr(out, "&amp;"); break;
	case '<': strbuf_addstr(out, "&lt;"); break;
	case '>': strbuf_addstr(out, "&gt;"); break;
	case '"': strbuf_addstr(out, "&quot;"); break;
	case '\'': strbuf_addstr(out, "&#39;"); break;
	case '\n':
	case '\t': strbuf_addch(out, c); break;
	default:
		if ((unsigned char)c < 0x20 || c == 0x7f)
			strbuf_addf(out, "\\x%02x", (unsigned char)c);
		else
			strbuf_addch(out, c);
	}
}

/* Length of the well-formed sequence at s, 0 when there is none; its code point through c. */
static size_t sequence(const char *s, size_t n, uint32_t *c)
{
	const unsigned char *b = (const unsigned char *)s;
	size_t len = b[0] >= 0xf0 ? 4 : b[0] >= 0xe0 ? 3 : 2;

	if (b[0] < 0xc2 || len > n || !utf8_valid(s, len))
		return 0;
	*c = b[0] & (0xff >> (len + 1));
	for (size_t i = 1; i < len; i++)
		*c = *c << 6 | (b[i] & 0x3f);
	return len;
}

void html_text_n(struct strbuf *out, const char *s, size_t n)
{
	while (n > 0) {
		uint32_t c = 0;
		size_t len = 1;

		if ((unsigned char)*s < 0x80) {
			put_ascii(out, *s);
		} else if ((len = sequence(s, n, &c)) == 0) {
			strbuf_addstr(out, "\xef\xbf\xbd");
			len = 1;
		} else if (is_deceiving(c)) {
			strbuf_addf(out, "\\u{%04x}", c);
		} else {
			strbuf_add(out, s, len);
		}
		s += len;
		n -= len;
	}
}

void html_text(struct strbuf *out, const char *s)
{
	if (s != NULL)
		html_text_n(out, s, strlen(s));
}

void html_url(struct strbuf *out, const char *s)
{
	for (; s != NULL && *s != '\0'; s++) {
		if (isalnum((unsigned char)*s) || strchr("-._~", *s) != NULL)
			strbuf_addch(out, *s);
		else
			strbuf_addf(out, "%%%02X", (unsigned char)*s);
	}
}

void html(struct strbuf *out, const char *template, ...)
{
	const char *place;
	va_list ap;

	va_start(ap, template);
	while ((place = strchr(template, '%')) != NULL) {
		strbuf_add(out, template, (size_t)(place - template));
		switch (place[1]) {
		case 's': html_text(out, va_arg(ap, const char *)); break;
		case 'u': html_url(out, va_arg(ap, const char *)); break;
		case 'i': strbuf_addf(out, "%" PRId64, va_arg(ap, int64_t)); break;
		case 'd': strbuf_addf(out, "%d", va_arg(ap, int)); break;
		case 'r': strbuf_addstr(out, va_arg(ap, const char *)); break;
		case '%': strbuf_addch(out, '%'); break;
		default: abort();
		}
		template = place + 2;
	}
	va_end(ap);
	strbuf_addstr(out, template);
}
