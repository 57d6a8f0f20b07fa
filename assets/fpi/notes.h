/* notes.h: what a run has to say: lines for its log, warnings for people. */
#ifndef FPI_NOTES_H
#define FPI_NOTES_H

#include "assets/fpi/result.h"

struct fpi_notes {
	struct fpi_log_line *log;
	size_t nlog;
	struct fpi_warning *warnings;
	size_t nwarnings;
};

void fpi_note(struct fpi_notes *, const char *fmt, ...) PRINTF(2, 3);
/* The text goes to the log as well, marked WARNING. */
void fpi_note_warning(struct fpi_notes *, const char *label, const char *fmt, ...) PRINTF(3, 4);
void fpi_notes_append(struct fpi_notes *, const struct fpi_notes *from);
void fpi_notes_release(struct fpi_notes *);

#endif
