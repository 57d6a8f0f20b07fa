/*
 * fuzz.h: what a fuzz target gives: one function for libFuzzer, and the folders of its corpus, from which `make check`
 * replays.  A target aborts when a promise is broken; the sanitizers do the rest.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* Below the source tree, NULL-terminated. */
extern const char *const fuzz_corpus[];

#define FUZZ_PROMISE(cond)                                                                   \
	do {                                                                                 \
		if (!(cond)) {                                                               \
			fprintf(stderr, "broken at %s:%d: %s\n", __FILE__, __LINE__, #cond); \
			abort();                                                             \
		}                                                                            \
	} while (0)

#endif
