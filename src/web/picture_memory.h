/* picture_memory.h: what runs were found to have named, for a while. */
#ifndef PICTURE_MEMORY_H
#define PICTURE_MEMORY_H

#include "base/json.h"

struct picture_memory;

struct picture_names {
	json_t *pictures; /* [{"store", "key"}], referenced */
	bool final; /* no more can come: it holds for long */
	bool out_of_reach; /* a store could not be asked: there may be more */
};

struct picture_memory *picture_memory_new(void);
void picture_memory_free(struct picture_memory *);
/* In the place of what is there of the run, and of what was learned first when there is no room.  Takes the reference. */
void picture_memory_keep(struct picture_memory *, int64_t run, const struct picture_names *);
/* Lent until the next picture_memory_keep; NULL: nothing is.  holds: it need not be looked for again yet. */
const struct picture_names *picture_memory_find(const struct picture_memory *, int64_t run, bool *holds);

#endif
