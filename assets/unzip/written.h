/*
 * written.h: which objects the attempts of this step have put, so that those of a bad archive can be taken
 * back.
 *
 * Members are put while the archive is still being read; only its end proves that they were right.  The list
 * stands in the step's ledger folder and is shared by all attempts.  An object that is missing from it (we died
 * between put and note) is simply left alone.
 */
#ifndef ASSETS_UNZIP_WRITTEN_H
#define ASSETS_UNZIP_WRITTEN_H

#include "store/sync.h"

struct written;

/* Reads what earlier attempts noted; NULL on error. */
struct written *written_open(const char *ledger_dir, struct err *err);
void written_close(struct written *); /* NULL is fine */
int written_add(struct written *, const char *key, const char *etag, struct err *err);
bool written_has(const struct written *, const char *key);
/* Delete every noted object that is still what was put; returns how many, or -1. */
int64_t written_undo(struct written *, struct store *, struct err *err);

#endif
