/* notes.c */
#include "config.h"

#include "assets/fpi/notes.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/strbuf.h"

enum { TEXT_MAX = 1 << 20 };

/* Arrays grow when their count is a power of two. */
static void *grow(void *v, size_t n, size_t size)
{
	return (n & (n - 1)) == 0 ? xreallocarray(v, n == 0 ? 1 : n * 2, size) : v;
}

static char *PRINTF(1, 0) vtext(const char *fmt, va_list ap)
{
	struct strbuf sb = STRBUF_INIT(TEXT_MAX);

	strbuf_vaddf(&sb, fmt, ap);
	return strbuf_detach(&sb);
}

static void add_line(struct fpi_notes *n, tm_ms at, char *text)
{
	n->log = grow(n->log, n->nlog, sizeof(*n->log));
	n->log[n->nlog++] = (struct fpi_log_line){.at = at, .text = text};
}

static void add_warning(struct fpi_notes *n, const char *label, char *text)
{
	n->warnings = grow(n->warnings, n->nwarnings, sizeof(*n->warnings));
	n->warnings[n->nwarnings++] = (struct fpi_warning){.label = xstrdup(label), .text = text};
}

void fpi_note(struct fpi_notes *n, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add_line(n, clock_now(), vtext(fmt, ap));
	va_end(ap);
}

void fpi_note_warning(struct fpi_notes *n, const char *label, const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	text = vtext(fmt, ap);
	va_end(ap);
	fpi_note(n, "WARNING: %s", text);
	add_warning(n, label, text);
}

void fpi_notes_append(struct fpi_notes *n, const struct fpi_notes *from)
{
	for (size_t i = 0; i < from->nlog; i++)
		add_line(n, from->log[i].at, xstrdup(from->log[i].text));
	for (size_t i = 0; i < from->nwarnings; i++)
		add_warning(n, from->warnings[i].label, xstrdup(from->warnings[i].text));
}

void fpi_notes_release(struct fpi_notes *n)
{
	for (size_t i = 0; i < n->nlog; i++)
		free(n->log[i].text);
	for (size_t i = 0; i < n->nwarnings; i++) {
		free(n->warnings[i].label);
		free(n->warnings[i].text);
	}
	free(n->log);
	free(n->warnings);
	*n = (struct fpi_notes){0};
}
