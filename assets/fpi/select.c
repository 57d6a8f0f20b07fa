/* select.c */
#include "config.h"

#include "assets/fpi/select.h"

#include <ctype.h>

#define DAY_US 86400000000LL

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && strcmp(s + n - m, end) == 0;
}

/* "*_KIND_*" */
static bool has_word(const char *name, const char *kind)
{
	char word[FPI_NAME_MAX + 2];

	snprintf(word, sizeof(word), "_%s_", kind);
	return strstr(name, word) != NULL;
}

bool fpi_name_is(const char *name, const char *kind)
{
	size_t n = strlen(kind);

	if (n == 0 || n >= FPI_NAME_MAX || name[0] == '.')
		return false;
	if (ends_with(name, ".hdf5"))
		return has_word(name, kind);
	if (!ends_with(name, ".img"))
		return false;
	return has_word(name, kind) || (strncmp(name, kind, n) == 0 && isdigit((unsigned char)name[n]));
}

void fpi_night_window(const struct fpi_setup *s, int64_t *start_us, int64_t *end_us)
{
	int64_t midnight = civil_days(s->date.year, s->date.month, s->date.day) * DAY_US;

	*start_us = midnight + DAY_US / 2 - (int64_t)((double)DAY_US * s->site.lon_deg / 360);
	*end_us = *start_us + DAY_US;
}
