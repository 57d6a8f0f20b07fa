#include "config.h"

#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const class_name[] = {
    [ERR_NONE] = "none",
    [ERR_USAGE] = "usage",
    [ERR_CONFIG] = "config",
    [ERR_TRANSIENT] = "transient",
    [ERR_PERMANENT] = "permanent",
    [ERR_BAD_DATA] = "bad_data",
    [ERR_CANCELLED] = "cancelled",
    [ERR_BUG] = "bug",
};
static_assert(NITEMS(class_name) == ERR_NCLASSES, "name every class");

/* Exit codes by stable code first, then by class; the list is the contract of the command line. */
static const struct {
	const char *code;
	int exit_code;
} code_exit[] = {
    {"not_found", 3},
    {"refused", 4},
    {"hold", 4},
    {"no_daemon", 5},
    {"locked", 5},
    {"wait_timeout", 6},
    {"interrupted", 130},
};

static const int class_exit[] = {
    [ERR_NONE] = 0,
    [ERR_USAGE] = 2,
    [ERR_CONFIG] = 7,
    [ERR_TRANSIENT] = 75,
    [ERR_PERMANENT] = 1,
    [ERR_BAD_DATA] = 1,
    [ERR_CANCELLED] = 1,
    [ERR_BUG] = 1,
};
static_assert(NITEMS(class_exit) == ERR_NCLASSES, "an exit code for every class");

/* Cut s at max - 1 bytes without leaving half a UTF-8 sequence. */
static void cut_utf8(char *s, size_t max)
{
	size_t n = strnlen(s, max);

	if (n < max)
		return;
	n = max - 1;
	while (n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80)
		n--;
	s[n] = '\0';
}

int err_vset(struct err *err, enum err_class class, const char *code, const char *fmt, va_list ap)
{
	int saved = errno;
	char text[ERR_TEXT_MAX + 4];

	if (err == NULL)
		return -1;
	vsnprintf(text, sizeof(text), fmt, ap);
	cut_utf8(text, ERR_TEXT_MAX);
	err->class = class;
	snprintf(err->code, sizeof(err->code), "%s", code ? code : "");
	memcpy(err->text, text, strlen(text) + 1);
	errno = saved;
	return -1;
}

int err_set(struct err *err, enum err_class class, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	err_vset(err, class, NULL, fmt, ap);
	va_end(ap);
	return -1;
}

int err_code(struct err *err, enum err_class class, const char *code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	err_vset(err, class, code, fmt, ap);
	va_end(ap);
	return -1;
}

static enum err_class errno_class(int e)
{
	switch (e) {
	case EAGAIN:
	case EBUSY:
	case ECONNREFUSED:
	case ECONNRESET:
	case EDQUOT:
	case EINTR:
	case EIO:
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
	case ENOSPC:
	case EPIPE:
	case ETIMEDOUT: return ERR_TRANSIENT;
	default: return ERR_PERMANENT;
	}
}

int err_errno(struct err *err, const char *fmt, ...)
{
	int e = errno;
	va_list ap;

	if (err == NULL)
		return -1;
	va_start(ap, fmt);
	err_vset(err, errno_class(e), e == ENOENT ? "not_found" : NULL, fmt, ap);
	va_end(ap);
	size_t n = strlen(err->text);
	snprintf(err->text + n, sizeof(err->text) - n, ": %s", strerror(e));
	errno = e;
	return -1;
}

int err_wrap(struct err *err, const char *fmt, ...)
{
	char text[2 * ERR_TEXT_MAX + 8];
	va_list ap;
	int n;

	if (err == NULL)
		return -1;
	va_start(ap, fmt);
	n = vsnprintf(text, ERR_TEXT_MAX, fmt, ap);
	va_end(ap);
	if (n < 0)
		return -1;
	n = MIN(n, ERR_TEXT_MAX - 1);
	snprintf(text + n, sizeof(text) - (size_t)n, ": %s", err->text);
	cut_utf8(text, ERR_TEXT_MAX);
	memcpy(err->text, text, strlen(text) + 1);
	return -1;
}

bool err_is(const struct err *err, const char *code)
{
	return err != NULL && strcmp(err->code, code) == 0;
}

const char *err_class_name(enum err_class class)
{
	assert((size_t) class < NITEMS(class_name));
	return class_name[class];
}

enum err_class err_class_parse(const char *name)
{
	for (size_t i = 0; i < NITEMS(class_name); i++)
		if (strcmp(class_name[i], name) == 0)
			return (enum err_class)i;
	return ERR_BUG;
}

int err_exit_code(const struct err *err)
{
	for (size_t i = 0; i < NITEMS(code_exit); i++)
		if (err_is(err, code_exit[i].code))
			return code_exit[i].exit_code;
	return class_exit[err->class];
}
