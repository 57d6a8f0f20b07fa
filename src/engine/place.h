/*
 * place.h: a run is found by its partition and by each that this lies in: "a/b/c", "a/b" and "a".
 */
#ifndef PLACE_H
#define PLACE_H

#include "base/util.h"

struct state;

void places_insert(struct state *, const char *partition, int64_t run);
void places_delete(struct state *, const char *partition, int64_t run);

#endif
