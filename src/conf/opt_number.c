/* The grammar of integers, sizes and durations.  All return 0, -1 for a wrong form, -2 when the value does not fit. */
#include "config.h"

#include "conf/opt_text.h"

#include <string.h>

static int read_digits(const char **s, int64_t *out)
{
	int64_t v = 0;
	bool fits = true;

	if (**s < '0' || **s > '9')
		return -1;
	for (; **s >= '0' && **s <= '9'; (*s)++)
		if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, **s - '0', &v))
			fits = false;
	*out = v;
	return fits ? 0 : -2;
}

int opt_parse_int(const char *s, int64_t *out)
{
	bool minus = *s == '-';
	int64_t v = 0;
	int rc;

	s += minus;
	if (minus && strcmp(s, "9223372036854775808") == 0) {
		*out = INT64_MIN;
		return 0;
	}
	if ((rc = read_digits(&s, &v)) == -1 || *s != '\0')
		return -1;
	if (rc == 0)
		*out = minus ? -v : v;
	return rc;
}

struct unit {
	const char *name;
	int64_t factor;
};

static const struct unit size_units[] = {
    {"B", 1},
    {"KiB", 1LL << 10},
    {"MiB", 1LL << 20},
    {"GiB", 1LL << 30},
    {"TiB", 1LL << 40},
    {"kB", 1000},
    {"MB", 1000000},
    {"GB", 1000000000},
    {"TB", 1000000000000},
};

static const struct unit duration_units[] = {
    {"ms", 1},
    {"s", 1000},
    {"m", 60000},
    {"min", 60000},
    {"h", 3600000},
    {"d", 86400000},
};

static const struct unit *find_unit(const struct unit *units, size_t count, const char *s, size_t n)
{
	for (size_t i = 0; i < count; i++)
		if (strlen(units[i].name) == n && memcmp(units[i].name, s, n) == 0)
			return &units[i];
	return NULL;
}

/* A number and its unit; moves *s behind them. */
static int read_quantity(const char **s, const struct unit *units, size_t count, int64_t *factor, int64_t *out)
{
	const struct unit *u;
	int rc = read_digits(s, out);
	size_t n;

	if (rc == -1)
		return -1;
	n = strcspn(*s, "0123456789");
	if ((u = find_unit(units, count, *s, n)) == NULL)
		return -1;
	*s += n;
	*factor = u->factor;
	if (rc == -2 || __builtin_mul_overflow(*out, u->factor, out))
		return -2;
	return 0;
}

int opt_parse_size(const char *s, int64_t *out)
{
	int64_t v, factor;
	int rc = read_quantity(&s, size_units, NITEMS(size_units), &factor, &v);

	if (rc == -1 || *s != '\0')
		return -1;
	if (rc == 0)
		*out = v;
	return rc;
}

int opt_parse_duration(const char *s, tm_ms *out)
{
	int64_t total = 0, part, factor, before = INT64_MAX;
	bool fits = true;

	do {
		int rc = read_quantity(&s, duration_units, NITEMS(duration_units), &factor, &part);

		/* From the largest unit to the smallest, each once: "1h30m", not "30m1h". */
		if (rc == -1 || factor >= before)
			return -1;
		before = factor;
		if (rc == -2 || __builtin_add_overflow(total, part, &total))
			fits = false;
	} while (*s != '\0');
	if (fits)
		*out = total;
	return fits ? 0 : -2;
}

void opt_format_duration(tm_ms v, struct strbuf *out)
{
	static const struct unit units[] = {
	    {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};

	if (v == 0)
		strbuf_addstr(out, "0s");
	for (size_t i = 0; i < NITEMS(units); i++) {
		if (v >= units[i].factor)
			strbuf_addf(out, "%lld%s", (long long)(v / units[i].factor), units[i].name);
		v %= units[i].factor;
	}
}
