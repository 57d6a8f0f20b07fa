/*
 * journal.h: the file of messages of one attempt: appended by the step, read by the daemon while it grows.
 *
 * Every line goes out in a single write to a file opened for appending, so a crash tears at most the last one and two
 * writers (a script and its helper) never mix.  Progress is merged: of several reports of one thing within
 * JOURNAL_BATCH_MS only the last is written, by a thread of the writer's own, so that the last one is never late.
 */
#ifndef JOURNAL_H
#define JOURNAL_H

#include "step/journal_msg.h"

#define JOURNAL_BATCH_MS 100

struct journal_writer;

/* Append to path (created when missing).  Safe for use from several threads. */
struct journal_writer *journal_open(const char *path, struct err *err);
/* Write one message.  After a failed write the writer stays silent; journal_close tells. */
void journal_put(struct journal_writer *w, const struct journal_msg *msg);
/* Write what is pending, close, free.  -1: something could not be written, with the first reason. */
int journal_close(struct journal_writer *w, struct err *err);

/*
 * The reader takes up where it was: give it the same struct again whenever the file may have grown.  A last line
 * without newline stays unread until it is finished.  Lines that are no messages or are too long are counted, and the
 * first such is kept, because a script may well write rubbish there and its other messages must not suffer.
 */
struct journal_reader {
	int64_t
	    offset; /* of the first byte not yet delivered; may be set before the first read to go on from there */
	int64_t bad; /* lines skipped */
	char bad_text[200]; /* why the first one was */
	bool skipping; /* inside a line that is too long */
};

/* Lent to the callback; non-zero stops reading after this line. */
typedef int journal_fn(const struct journal_msg *msg, void *arg);

/*
 * Deliver the whole lines after offset, at most max_bytes of them (0: all there are).  Returns the bytes consumed, 0
 * when nothing new is there (also when the file does not exist yet), or -1.
 */
int64_t journal_read(
    struct journal_reader *r, const char *path, size_t max_bytes, journal_fn *fn, void *arg, struct err *err);

#endif
