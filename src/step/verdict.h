/*
 * verdict.h: what the end of a command means, by its exit code or signal.
 *
 * Exit 0 is success and 75 (EX_TEMPFAIL of sysexits.h) asks for a retry; any other code is permanent unless the asset's
 * exit_codes say otherwise.  Signals that follow from the program's own fault (SEGV, ABRT, ILL, FPE, BUS, SYS, TRAP) are
 * permanent: the same input will crash it again.  All others, KILL by the kernel's memory killer among them, come from
 * outside and are transient.
 */
#ifndef VERDICT_H
#define VERDICT_H

#include "base/err.h"
#include "base/json.h"
#include "step/exitrec.h"

struct verdict {
	enum err_class class; /* ERR_NONE: success, with this outcome */
	enum step_outcome outcome;
};

/* A word of exit_codes; false when it is none. */
bool verdict_parse(const char *word, struct verdict *v);
extern const char verdict_words[]; /* all of them, for messages */
/* An exit code as exit_codes writes it: 0 to 255 in decimal; -1 otherwise. */
int verdict_exit_code(const char *text);
/* exit_codes: {"75": "transient"}; entries of no known form do not count. */
struct verdict verdict_of_exit(int exit_code, const json_t *exit_codes);
struct verdict verdict_of_signal(int signal);

#endif
