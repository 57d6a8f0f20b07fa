/* util.h: the handful of macros every file wants. */
#ifndef UTIL_H
#define UTIL_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NITEMS(a)                       (sizeof(a) / sizeof((a)[0]))
#define PRINTF(f, a)                    __attribute__((format(printf, f, a)))
#define UNUSED                          __attribute__((unused))
#define MUST_CHECK                      __attribute__((warn_unused_result))
#define MIN(a, b)                       ((a) < (b) ? (a) : (b))
#define MAX(a, b)                       ((a) > (b) ? (a) : (b))
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* Milliseconds since 1970-01-01T00:00:00Z, or a span in milliseconds. */
typedef int64_t tm_ms;
#define TIME_NEVER INT64_MAX

#endif
