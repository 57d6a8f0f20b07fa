#include "config.h"

#include "engine/place.h"

#include "base/mem.h"
#include "state/state.h"

#include <stdlib.h>
#include <string.h>

/* Cut place to what it lies in; false: to nothing. */
static bool place_outer(char *place)
{
	char *slash = strrchr(place, '/');

	if (slash != NULL)
		*slash = '\0';
	return slash != NULL && slash > place;
}

void places_insert(struct state *st, const char *partition, int64_t run)
{
	char *place = xstrdup(partition);
	bool more = place[0] != '\0';

	for (; more; more = place_outer(place))
		sql_do(st->sql, "INSERT INTO run_place(place, run_id) VALUES(?1, ?2)", "si", place, run);
	free(place);
}

void places_delete(struct state *st, const char *partition, int64_t run)
{
	char *place = xstrdup(partition);
	bool more = place[0] != '\0';

	for (; more; more = place_outer(place))
		sql_do(st->sql, "DELETE FROM run_place WHERE place = ?1 AND run_id = ?2", "si", place, run);
	free(place);
}
