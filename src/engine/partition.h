/*
 * partition.h: partition keys are paths.
 *
 * "uao/20260417" covers "uao/20260417/minime13": a run, a hold or a question about the shorter one is about all below
 * it.  Two partitions exclude each other when one covers the other.  The empty key is no partition: it covers and
 * excludes nothing.
 */
#ifndef PARTITION_H
#define PARTITION_H

#include "base/err.h"
#include "base/strbuf.h"
#include "base/template.h"

#define PARTITION_MAX 512

bool partition_covers(const char *outer, const char *inner);
bool partition_excludes(const char *a, const char *b);
/* Components of printable text without '/', '.' and '..'; empty is fine. */
int partition_check(const char *key, struct err *err);
/*
 * Fill a template.  Trailing components whose names have no value are dropped, so that a run for all instruments of a
 * site has the partition that covers them; a gap in the middle is an error.  A NULL template gives "".
 */
int partition_expand(const char *text, template_lookup *lookup, void *arg, struct strbuf *out, struct err *err);

#endif
