/*
 * err.h: an error that carries a decision.
 *
 * The lowest layer that knows the facts fills a struct err on its caller's stack and returns -1; layers above may
 * prefix context with err_wrap; exactly one place (the one that decides on a retry) logs or answers.  The class
 * decides what happens next: whether to retry, the exit code, the colour on the page.
 */
#ifndef ERR_H
#define ERR_H

#include "base/util.h"

#include <stdarg.h>

enum err_class {
	ERR_NONE,
	ERR_USAGE, /* the caller asked for something that makes no sense */
	ERR_CONFIG, /* the configuration is wrong; retrying cannot help until it is edited */
	ERR_TRANSIENT, /* the world was not ready: network, lock, server down, disk full; retry with backoff */
	ERR_PERMANENT, /* the world said no: access denied, not found, refused */
	ERR_BAD_DATA, /* the input is damaged, hostile or contradictory */
	ERR_CANCELLED, /* somebody asked to stop */
	ERR_BUG, /* ours */
	ERR_NCLASSES
};

#define ERR_TEXT_MAX 1024
#define ERR_CODE_MAX 48

struct err {
	enum err_class class;
	char code[ERR_CODE_MAX]; /* stable word within the class ("not_found", "path.traversal"), or empty */
	char text[ERR_TEXT_MAX]; /* one line for people; cut at the limit on a UTF-8 boundary */
};

#define ERR_INIT ((struct err){.class = ERR_NONE})

/* All return -1, so that a failing function can `return err_set(...)`.  err may be NULL: nothing is recorded. */
int err_set(struct err *err, enum err_class class, const char *fmt, ...) PRINTF(3, 4);
int err_code(struct err *err, enum err_class class, const char *code, const char *fmt, ...) PRINTF(4, 5);
/* As err_set, with strerror(errno) appended; the class follows from errno (ENOSPC, EAGAIN... are transient). */
int err_errno(struct err *err, const char *fmt, ...) PRINTF(2, 3);
/* Prefix "context: " to a recorded error. */
int err_wrap(struct err *err, const char *fmt, ...) PRINTF(2, 3);
int err_vset(struct err *err, enum err_class class, const char *code, const char *fmt, va_list ap) PRINTF(4, 0);

bool err_is(const struct err *err, const char *code);
const char *err_class_name(enum err_class class);
/* ERR_BUG when the name is unknown. */
enum err_class err_class_parse(const char *name);
/* The exit code of a program that ends with this error: the outside contract of orchctl. */
int err_exit_code(const struct err *err);

#endif
