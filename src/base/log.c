#include "config.h"

#include "base/log.h"

#include "base/clock.h"
#include "base/strbuf.h"
#include "base/utctime.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES 4096

static const struct {
	const char *name;
	int syslog;
} level_row[] = {
    [LOG_DEBUG_] = {"debug", 7},
    [LOG_INFO_] = {"info", 6},
    [LOG_WARN_] = {"warning", 4},
    [LOG_ERROR_] = {"error", 3},
};

static enum log_level least_level = LOG_INFO_;
static int log_fd = 2;
static bool to_journal;

void log_open(enum log_level least)
{
	least_level = least;
	to_journal = getenv("JOURNAL_STREAM") != NULL;
}

void log_set_fd(int fd)
{
	log_fd = fd;
}

bool log_level_parse(const char *name, enum log_level *level)
{
	for (size_t i = 0; i < NITEMS(level_row); i++)
		if (strcmp(level_row[i].name, name) == 0) {
			*level = (enum log_level)i;
			return true;
		}
	return false;
}

const char *log_level_name(enum log_level level)
{
	return level_row[level].name;
}

static void add_escaped(struct strbuf *out, const char *s)
{
	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;

		if (c < 0x20 || c == 0x7f)
			strbuf_addf(out, "\\x%02x", c);
		else
			strbuf_addch(out, (char)c);
	}
}

void log_at(enum log_level level, const char *fmt, ...)
{
	int saved = errno;
	struct strbuf text = STRBUF_INIT(LINE_MAX_BYTES), line = STRBUF_INIT(5 * LINE_MAX_BYTES);
	char stamp[UTCTIME_MAX];
	va_list ap;

	if (level < least_level)
		return;
	va_start(ap, fmt);
	if (strbuf_vaddf(&text, fmt, ap) == -1)
		strbuf_addf(&text, "(line too long) %.200s", fmt);
	va_end(ap);
	if (to_journal)
		strbuf_addf(&line, "<%d>", level_row[level].syslog);
	else
		strbuf_addf(&line, "%s %-7s ", utctime_format(clock_now(), stamp), level_row[level].name);
	add_escaped(&line, text.buf);
	strbuf_addch(&line, '\n');
	/* One write per line keeps lines whole when several processes share the file; a full pipe loses the line. */
	if (write(log_fd, line.buf, line.len) == -1) {
	}
	strbuf_release(&text);
	strbuf_release(&line);
	errno = saved;
}
