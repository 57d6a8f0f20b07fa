#include "config.h"

#include "assets/fpi/textline.h"

#include "base/utctime.h"

#include <math.h>

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static struct textword trimmed(const char *p, size_t n)
{
	while (n > 0 && is_blank(p[0])) {
		p++;
		n--;
	}
	while (n > 0 && is_blank(p[n - 1]))
		n--;
	return (struct textword){p, n};
}

static void split_blanks(struct textline *l)
{
	const char *p = l->p, *end = l->p + l->n;

	while (l->nwords < TEXTLINE_WORDS) {
		const char *start;

		while (p < end && is_blank(*p))
			p++;
		if (p == end)
			return;
		for (start = p; p < end && !is_blank(*p);)
			p++;
		l->word[l->nwords++] = (struct textword){start, (size_t)(p - start)};
	}
}

static void split_at(struct textline *l, char sep)
{
	const char *p = l->p, *end = l->p + l->n;

	while (l->nwords < TEXTLINE_WORDS) {
		const char *stop = memchr(p, sep, (size_t)(end - p));

		l->word[l->nwords++] = trimmed(p, (size_t)((stop ? stop : end) - p));
		if (stop == NULL)
			return;
		p = stop + 1;
	}
}

bool textline_next(struct textline *l, const char *text, size_t n, char sep)
{
	const char *end;

	if (l->next >= n)
		return false;
	l->p = text + l->next;
	end = memchr(l->p, '\n', n - l->next);
	l->n = end != NULL ? (size_t)(end - l->p) : n - l->next;
	l->next += l->n + 1;
	l->nwords = 0;
	if (sep == ' ')
		split_blanks(l);
	else
		split_at(l, sep);
	return true;
}

bool textline_has(const struct textline *l, const char *what)
{
	return memmem(l->p, l->n, what, strlen(what)) != NULL;
}

bool textword_is(const struct textword *w, const char *what)
{
	return w->n == strlen(what) && memcmp(w->p, what, w->n) == 0;
}

struct textword textword_without(const struct textword *word, char c)
{
	struct textword w = *word;

	for (; w.n > 0 && w.p[0] == c; w.n--)
		w.p++;
	while (w.n > 0 && w.p[w.n - 1] == c)
		w.n--;
	return w;
}

/* A NUL-terminated copy for the C library's readers; -1 when it is too long or holds a NUL. */
static int copy_word(const struct textword *w, char out[TEXTWORD_NUMBER])
{
	if (w->n == 0 || w->n >= TEXTWORD_NUMBER || memchr(w->p, '\0', w->n) != NULL)
		return -1;
	memcpy(out, w->p, w->n);
	out[w->n] = '\0';
	return 0;
}

int textword_number(const struct textword *w, double *v)
{
	char text[TEXTWORD_NUMBER], *end;

	if (copy_word(w, text) == -1 || strspn(text, "+-.0123456789eE") != strlen(text))
		return -1;
	*v = strtod(text, &end);
	return *end == '\0' && isfinite(*v) ? 0 : -1;
}

static int set_date(int year, int month, int day, int64_t *local_s)
{
	if (year < 1900 || year > 9999 || !civil_is_date(year, month, day))
		return -1;
	*local_s = civil_days(year, month, day) * 86400;
	return 0;
}

int textword_date(const struct textword *w, int64_t *local_s)
{
	char text[TEXTWORD_NUMBER], sep[2];
	int y, m, d, end = 0;

	if (copy_word(w, text) == -1 ||
	    sscanf(text, "%4d%c%2d%c%2d%n", &y, &sep[0], &m, &sep[1], &d, &end) != 5 || end == 0 ||
	    text[end] != '\0' || sep[0] != sep[1] || (sep[0] != '-' && sep[0] != '/'))
		return -1;
	return set_date(y, m, d, local_s);
}

int textword_date_us(const struct textword *w, int64_t *local_s)
{
	char text[TEXTWORD_NUMBER];
	int y, m, d, end = 0;

	if (copy_word(w, text) == -1 || sscanf(text, "%2d/%2d/%4d%n", &m, &d, &y, &end) != 3 || end == 0 ||
	    text[end] != '\0')
		return -1;
	return set_date(y, m, d, local_s);
}

int textword_time(const struct textword *w, int64_t *local_s)
{
	char text[TEXTWORD_NUMBER];
	int h, m, s, end = 0;

	if (copy_word(w, text) == -1 || sscanf(text, "%2d:%2d:%2d%n", &h, &m, &s, &end) != 3 || end == 0 ||
	    h < 0 || h > 23 || m < 0 || m > 59 || s < 0 || s > 60)
		return -1;
	if (text[end] != '\0' && ((text[end] != '.' && text[end] != ',') ||
	                             strspn(text + end + 1, "0123456789") != strlen(text + end + 1)))
		return -1;
	*local_s += h * 3600 + m * 60 + s;
	return 0;
}
