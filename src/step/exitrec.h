/*
 * exitrec.h: the verdict of an attempt, DIR/exit.json.
 *
 * It appears by rename after fsync, so a reader sees a whole one or none; it is the last thing a step does.  Its name
 * is not forced to disk: losing it in a power cut means "no record", after which the step is tried again, and every
 * step may run twice.
 */
#ifndef EXITREC_H
#define EXITREC_H

#include "base/err.h"
#include "base/json.h"

enum step_outcome { OUTCOME_OK, OUTCOME_WARNINGS, OUTCOME_NO_DATA, OUTCOME_COUNT };
const char *step_outcome_name(enum step_outcome o);
/* OUTCOME_COUNT when the name is unknown. */
enum step_outcome step_outcome_parse(const char *name);

struct exitrec {
	int64_t attempt;
	struct err err; /* class ERR_NONE: the attempt succeeded */
	enum step_outcome outcome; /* of a success */
	tm_ms again_at; /* with class TRANSIENT: a wait that is no failure, until then; 0: none */
	int exit_code, signal; /* of the command or program; -1: not ended that way */
	double utime_s, stime_s;
	int64_t maxrss_kib;
	tm_ms started, ended;
	json_t *metadata; /* owned object of plain values; NULL: none */
	int64_t journal_bytes; /* size of the journal when it was complete */
	/* What the process has counted and how the places it used were (src/metric), owned; NULL: nothing. */
	json_t *counters, *health;
};

int exitrec_write(const char *dir, const struct exitrec *rec, struct err *err);
/*
 * Class PERMANENT code "not_found": there is none (yet).  BAD_DATA code "bad_record": not ours, or of another attempt.
 * On success the caller releases rec.
 */
int exitrec_read(const char *dir, int64_t attempt, struct exitrec *rec, struct err *err);
void exitrec_release(struct exitrec *rec);
/* Fill the usage fields from this process's children (who RUSAGE_CHILDREN) or from itself (RUSAGE_SELF). */
void exitrec_usage(struct exitrec *rec, int who);

#endif
