#include "config.h"

#include "orchctl/text.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/utctime.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static bool terminal, colour;

static const char *const paint_on[] = {
    [PAINT_NONE] = "",
    [PAINT_GOOD] = "\033[32m",
    [PAINT_BAD] = "\033[31m",
    [PAINT_WARN] = "\033[33m",
    [PAINT_BUSY] = "\033[36m",
    [PAINT_DIM] = "\033[2m",
    [PAINT_BOLD] = "\033[1m",
};
static_assert(NITEMS(paint_on) == PAINT_COUNT, "a sequence for every paint");

static const struct {
	const char *word;
	enum paint paint;
} word_paint[] = {
    {"succeeded", PAINT_GOOD},
    {"ok", PAINT_GOOD},
    {"failed", PAINT_BAD},
    {"error", PAINT_BAD},
    {"invalid", PAINT_BAD},
    {"canceled", PAINT_WARN},
    {"retrying", PAINT_WARN},
    {"warnings", PAINT_WARN},
    {"stale", PAINT_WARN},
    {"pending", PAINT_WARN},
    {"paused", PAINT_WARN},
    {"running", PAINT_BUSY},
    {"queued", PAINT_BUSY},
    {"ready", PAINT_BUSY},
    {"complete", PAINT_GOOD},
    {"skipped", PAINT_DIM},
    {"waiting", PAINT_DIM},
    {"ignored", PAINT_DIM},
    {"no_data", PAINT_DIM},
};

void text_setup(void)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	terminal = isatty(STDOUT_FILENO) == 1;
	colour =
	    terminal && (no_color == NULL || *no_color == '\0') && term != NULL && strcmp(term, "dumb") != 0;
}

bool text_is_terminal(void)
{
	return terminal;
}

int text_columns(void)
{
	struct winsize ws;

	return terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) == 0 ? ws.ws_col : 0;
}

const char *text_on(enum paint p)
{
	return colour ? paint_on[p] : "";
}

const char *text_off(enum paint p)
{
	return colour && p != PAINT_NONE ? "\033[0m" : "";
}

enum paint text_state_paint(const char *state, const char *outcome)
{
	const char *word = outcome != NULL && strcmp(outcome, "ok") != 0 && *outcome != '\0' ? outcome : state;

	for (size_t i = 0; i < NITEMS(word_paint); i++)
		if (strcmp(word_paint[i].word, word) == 0)
			return word_paint[i].paint;
	return PAINT_NONE;
}

/* Controls of both sets, and the format characters that reorder or hide text. */
static bool is_hostile(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xad || (c >= 0x200b && c <= 0x200f) ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff;
}

/* One character of valid UTF-8; its length in *n. */
static uint32_t decode(const char *s, size_t *n)
{
	const unsigned char *p = (const unsigned char *)s;

	*n = p[0] < 0x80 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	switch (*n) {
	case 1: return p[0];
	case 2: return (uint32_t)(p[0] & 0x1f) << 6 | (p[1] & 0x3f);
	case 3: return (uint32_t)(p[0] & 0x0f) << 12 | (uint32_t)(p[1] & 0x3f) << 6 | (p[2] & 0x3f);
	default:
		return (uint32_t)(p[0] & 0x07) << 18 | (uint32_t)(p[1] & 0x3f) << 12 |
		       (uint32_t)(p[2] & 0x3f) << 6 | (p[3] & 0x3f);
	}
}

void text_clean(struct strbuf *out, const char *s)
{
	size_t n;

	if (s == NULL)
		s = "-";
	if (!utf8_valid(s, strlen(s))) {
		for (; *s != '\0'; s++)
			strbuf_addch(out, *s >= ' ' && *s < 0x7f ? *s : '?');
		return;
	}
	for (; *s != '\0'; s += n) {
		uint32_t c = decode(s, &n);

		if (is_hostile(c))
			strbuf_addf(out, c < 0x100 ? "\\x%02x" : "\\u%04x", c);
		else
			strbuf_add(out, s, n);
	}
}

size_t text_width(const char *s)
{
	size_t width = 0;

	for (; *s != '\0'; s++)
		width += ((unsigned char)*s & 0xc0) != 0x80;
	return width;
}

void text_size(struct strbuf *out, int64_t bytes)
{
	static const char *const unit[] = {"B", "kB", "MB", "GB", "TB"};
	double v = (double)bytes;
	size_t u = 0;

	while (v >= 999.5 && u + 1 < NITEMS(unit)) {
		v /= 1000;
		u++;
	}
	strbuf_addf(out, u == 0 || v >= 99.95 ? "%.0f %s" : "%.1f %s", v, unit[u]);
}

void text_span(struct strbuf *out, tm_ms span)
{
	int64_t s = span / 1000;

	if (span < 1000)
		strbuf_addf(out, "%" PRId64 " ms", MAX(span, 0));
	else if (span < 60000)
		strbuf_addf(out, "%.1f s", (double)(span / 100) / 10);
	else if (s < 3600)
		strbuf_addf(out, "%" PRId64 " min %02d s", s / 60, (int)(s % 60));
	else if (s < 86400)
		strbuf_addf(out, "%" PRId64 " h %02d min", s / 3600, (int)(s % 3600 / 60));
	else
		strbuf_addf(out, "%" PRId64 " d %d h", s / 86400, (int)(s % 86400 / 3600));
}

static bool parse(const json_t *time, tm_ms *t)
{
	return json_is_string(time) && utctime_parse(json_string_value(time), t) == 0;
}

/* One unit is enough to say how long ago. */
static void round_span(struct strbuf *out, int64_t s)
{
	if (s < 100)
		strbuf_addf(out, "%" PRId64 " s", s);
	else if (s < 6000)
		strbuf_addf(out, "%" PRId64 " min", s / 60);
	else if (s < 48 * 3600)
		strbuf_addf(out, "%" PRId64 " h", s / 3600);
	else
		strbuf_addf(out, "%" PRId64 " d", s / 86400);
}

void text_ago(struct strbuf *out, const json_t *time)
{
	tm_ms t, now = clock_now();

	if (!parse(time, &t)) {
		strbuf_addch(out, '-');
	} else if (t > now) {
		strbuf_addstr(out, "in ");
		round_span(out, (t - now) / 1000);
	} else {
		round_span(out, (now - t) / 1000);
		strbuf_addstr(out, " ago");
	}
}

void text_time(struct strbuf *out, const json_t *time)
{
	char buf[UTCTIME_MAX];
	tm_ms t;

	strbuf_addstr(out, parse(time, &t) ? utctime_format_sql(t, buf) : "-");
}

void text_between(struct strbuf *out, const json_t *from, const json_t *to)
{
	tm_ms a, b;

	if (!parse(from, &a)) {
		strbuf_addch(out, '-');
		return;
	}
	if (!parse(to, &b))
		b = clock_now();
	text_span(out, b - a);
}

void text_value(struct strbuf *out, const json_t *value, size_t max)
{
	char *text;

	if (json_is_string(value)) {
		text_clean(out, json_string_value(value));
		return;
	}
	text = json_text(value);
	if (strlen(text) > max) {
		for (; max > 0 && ((unsigned char)text[max] & 0xc0) == 0x80; max--)
			;
		text[max] = '\0';
		text_clean(out, text);
		strbuf_addstr(out, "...");
	} else {
		text_clean(out, text);
	}
	free(text);
}
