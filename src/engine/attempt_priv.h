/* attempt_priv.h: what the files of an attempt share: attempt.c its process, attempt_journal.c, attempt_settle.c. */
#ifndef ATTEMPT_PRIV_H
#define ATTEMPT_PRIV_H

#include "engine/attempt.h"
#include "engine/engine_priv.h"
#include "step/journal.h"

#define JOURNAL_SLICE (1 << 20) /* bytes of a journal read in one turn */

struct attempt {
	struct engine *engine;
	struct run_step *step;
	int64_t n;
	char *dir;
	tm_ms started_at;
	pid_t pid; /* 0: not started, or not known yet */
	bool child; /* of this process: its status can be read */
	int pidfd;
	struct event *ended_event;
	bool started, ended, never_started;
	struct err start_err;
	int status; /* of waitid, when child and ended */
	bool has_status;

	tm_ms last_look, last_sign; /* monotonic: journal read; sign of life in it */
	struct journal_reader reader;
	int64_t warnings, events;
	json_t *progress;

	char *kill_reason;
	tm_ms kill_at; /* monotonic: when TERM is followed by KILL */
	bool kill_sent;
};

/* If its process has ended and is ours, its status. */
void attempt_reap(struct attempt *);
/* Messages that came since the last time become events and notes; returns the bytes read, at most `most`. */
int64_t attempt_read_journal(struct attempt *, size_t most);

#endif
