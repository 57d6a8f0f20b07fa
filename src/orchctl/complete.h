/* complete.h: what the tables of commands must say so that shells can complete their words. */
#ifndef COMPLETE_H
#define COMPLETE_H

#include <stdbool.h>

/* Whether it is known what may stand for an operand ("[PARTITION]") or as the value of an option ("--state"). */
bool complete_knows(const char *what, const char *noun);

#endif
