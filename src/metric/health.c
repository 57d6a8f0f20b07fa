#include "config.h"

#include "metric/health.h"

#include "base/clock.h"
#include "base/mem.h"

#include <string.h>

#define PLACES_MAX 200 /* beyond it new ones are not followed */

static struct health *places;
static size_t nplaces;

static const char *const kind_name[HEALTH_NKINDS] = {
    [HEALTH_STORE] = "store",
    [HEALTH_DATABASE] = "database",
};

static struct health *find(enum health_kind kind, const char *name)
{
	for (size_t i = 0; i < nplaces; i++)
		if (places[i].kind == kind && strcmp(places[i].name, name) == 0)
			return &places[i];
	return NULL;
}

static struct health *get(enum health_kind kind, const char *name)
{
	struct health *h = find(kind, name);

	if (h != NULL || nplaces >= PLACES_MAX)
		return h;
	places = xreallocarray(places, nplaces + 1, sizeof(*places));
	h = &places[nplaces++];
	*h = (struct health){.kind = kind, .name = xstrdup(name)};
	return h;
}

void health_note(enum health_kind kind, const char *name, const struct err *err)
{
	struct health *h = get(kind, name);

	if (h == NULL)
		return;
	if (err == NULL || err->class == ERR_NONE) {
		h->ok_at = MAX(clock_now(), h->failed_at);
	} else { /* in the same millisecond too the later word counts */
		h->failed_at = MAX(clock_now(), h->ok_at + 1);
		h->err = *err;
	}
}

const struct health *health_find(enum health_kind kind, const char *name)
{
	return find(kind, name);
}

bool health_is_good(const struct health *h)
{
	return h->ok_at >= h->failed_at;
}

json_t *health_export(void)
{
	json_t *list = json_array();

	for (size_t i = 0; i < nplaces; i++) {
		const struct health *h = &places[i];

		json_array_append_new(
		    list, json_pack("{s:s, s:o, s:I, s:I, s:s, s:o, s:o}", "kind", kind_name[h->kind], "name",
		              json_text_new(h->name), "ok_at", (json_int_t)h->ok_at, "failed_at",
		              (json_int_t)h->failed_at, "class", err_class_name(h->err.class), "code",
		              json_text_new(h->err.code), "text", json_text_new(h->err.text)));
	}
	return list;
}

bool health_says_away(const json_t *exported)
{
	static const char *const away[] = {"unreachable", "lost", "read_only", "too_many", "net.resolve",
	    "net.connect", "net.timeout", "net.reset", "s3.SlowDown", "s3.ServiceUnavailable", "http.503"};
	const json_t *j;
	size_t i;

	json_array_foreach(exported, i, j)
	{
		if (json_int(j, "failed_at", 0) <= json_int(j, "ok_at", 0))
			continue;
		for (size_t k = 0; k < NITEMS(away); k++)
			if (strcmp(json_str(j, "code", ""), away[k]) == 0)
				return true;
	}
	return false;
}

static void import_one(const json_t *j)
{
	int64_t ok_at = json_int(j, "ok_at", 0), failed_at = json_int(j, "failed_at", 0), now = clock_now();
	const char *name = json_str(j, "name", "");
	struct health *h = NULL;

	for (int k = 0; k < HEALTH_NKINDS; k++)
		if (strcmp(json_str(j, "kind", ""), kind_name[k]) == 0 && *name != '\0' && strlen(name) < 256)
			h = get((enum health_kind)k, name);
	if (h == NULL)
		return;
	h->ok_at = MAX(h->ok_at, MIN(ok_at, now));
	if (failed_at > h->failed_at) {
		h->failed_at = MIN(failed_at, now);
		err_code(&h->err, err_class_parse(json_str(j, "class", "")), json_str(j, "code", ""), "%s",
		    json_str(j, "text", ""));
	}
}

void health_import(const json_t *exported)
{
	const json_t *j;
	size_t i;

	json_array_foreach(exported, i, j) import_one(j);
}
