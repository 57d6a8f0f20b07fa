/*
 * log.h: one line per fact on stderr, object first, lower case, no full stop:
 *
 *     run 41 asset=unzip state=failed class=transient: no route to host
 *
 * Info is for operators and kept stable.  Warnings name what will happen next.  Control bytes in data are written as
 * \xNN, so a hostile name cannot forge a line.  Calls keep errno.  Secrets never have a format.
 */
#ifndef LOG_H
#define LOG_H

#include "base/util.h"

#include <stdarg.h>

enum log_level { LOG_DEBUG_, LOG_INFO_, LOG_WARN_, LOG_ERROR_ };

/* Under systemd (JOURNAL_STREAM set) lines start with <N> and carry no time; otherwise with the UTC time. */
void log_open(enum log_level least);
void log_set_fd(int fd); /* default 2 */
bool log_level_parse(const char *name, enum log_level *level);
const char *log_level_name(enum log_level level);

void log_at(enum log_level level, const char *fmt, ...) PRINTF(2, 3);
#define log_debug(...) log_at(LOG_DEBUG_, __VA_ARGS__)
#define log_info(...)  log_at(LOG_INFO_, __VA_ARGS__)
#define log_warn(...)  log_at(LOG_WARN_, __VA_ARGS__)
#define log_error(...) log_at(LOG_ERROR_, __VA_ARGS__)

#endif
