/* tz_rule.h: the POSIX TZ string at the end of a zone file, which rules all times after its last change. */
#ifndef TZ_RULE_H
#define TZ_RULE_H

#include "base/tz.h"

struct tz_kind {
	int offset_s;
	bool is_dst;
	char abbr[TZ_ABBR_MAX];
};

enum tz_day { TZ_DAY_JULIAN, TZ_DAY_OF_YEAR, TZ_DAY_OF_MONTH };

struct tz_edge {
	enum tz_day day;
	int n; /* JULIAN: 1..365 without 29 February; OF_YEAR: 0..365 */
	int month, week, wday; /* OF_MONTH: week 5 is the last, wday 0 is Sunday */
	int time_s; /* wall clock, -167 h .. 167 h */
};

struct tz_rule {
	struct tz_kind std, dst;
	bool has_dst;
	struct tz_edge begin, end; /* of summer time */
};

/* -1 when the text is not a rule. */
int tz_rule_parse(const char *text, struct tz_rule *rule);
const struct tz_kind *tz_rule_at(const struct tz_rule *, int64_t utc_s);
bool tz_rule_next(const struct tz_rule *, int64_t utc_s, int64_t *change_s);

#endif
