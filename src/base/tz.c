#include "config.h"

#include "base/tz.h"

#include "base/tz_rule.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/strbuf.h"

#define ZONE_DIR      "/usr/share/zoneinfo"
#define ZONE_FILE_MAX (256 * 1024)
#define ZONE_CHANGES  20000
#define HEADER_BYTES  44
#define DAY_S         86400
#define CIVIL_REACH_S (36 * 3600) /* further from UTC than any clock */

struct tz {
	char *name;
	struct tz_kind *kind; /* kind[0] holds before the first change */
	size_t n_kinds;
	int64_t *change; /* ascending */
	unsigned char *change_kind;
	size_t n_changes;
	struct tz_rule rule;
	bool has_rule;
};

/* Names that present-day time zone packages may leave out. */
static const struct {
	const char *old, *new;
} renamed[] = {
    {"America/Buenos_Aires", "America/Argentina/Buenos_Aires"},
    {"US/Alaska", "America/Anchorage"},
    {"US/Aleutian", "America/Adak"},
    {"US/Arizona", "America/Phoenix"},
    {"US/Central", "America/Chicago"},
    {"US/East-Indiana", "America/Indiana/Indianapolis"},
    {"US/Eastern", "America/New_York"},
    {"US/Hawaii", "Pacific/Honolulu"},
    {"US/Indiana-Starke", "America/Indiana/Knox"},
    {"US/Michigan", "America/Detroit"},
    {"US/Mountain", "America/Denver"},
    {"US/Pacific", "America/Los_Angeles"},
    {"US/Samoa", "Pacific/Pago_Pago"},
};

static const char *present_name(const char *name)
{
	for (size_t i = 0; i < NITEMS(renamed); i++)
		if (strcmp(name, renamed[i].old) == 0)
			return renamed[i].new;
	return name;
}

/* Letters, digits, "_+-/", no empty or dotted component: a name never leaves its folder. */
static bool name_is_safe(const char *name)
{
	if (name[0] == '\0' || name[0] == '/' || strlen(name) > 64 || strstr(name, "//") != NULL)
		return false;
	for (const char *p = name; *p != '\0'; p++)
		if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ||
		        strchr("_+-/", *p) != NULL))
			return false;
	return true;
}

struct header {
	int version;
	size_t utc_flags, std_flags, leaps, changes, kinds, chars;
};

static uint32_t be32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int64_t be64(const unsigned char *p)
{
	return (int64_t)((uint64_t)be32(p) << 32 | be32(p + 4));
}

static int read_header(const unsigned char *p, size_t n, struct header *h)
{
	if (n < HEADER_BYTES || memcmp(p, "TZif", 4) != 0)
		return -1;
	h->version = p[4] == '\0' ? 1 : p[4] - '0';
	h->utc_flags = be32(p + 20);
	h->std_flags = be32(p + 24);
	h->leaps = be32(p + 28);
	h->changes = be32(p + 32);
	h->kinds = be32(p + 36);
	h->chars = be32(p + 40);
	if (h->version < 1 || h->version > 9 || h->utc_flags > 256 || h->std_flags > 256 || h->leaps > 1000 ||
	    h->changes > ZONE_CHANGES || h->kinds > 256 || h->chars > 4096)
		return -1;
	return 0;
}

/* Bytes of the data block behind a header, time_bytes being 4 in the first block and 8 in the second. */
static size_t block_bytes(const struct header *h, size_t time_bytes)
{
	return h->changes * (time_bytes + 1) + h->kinds * 6 + h->chars + h->leaps * (time_bytes + 4) +
	       h->std_flags + h->utc_flags;
}

static int read_kinds(
    struct tz *tz, const struct header *h, const unsigned char *kinds, const unsigned char *chars)
{
	tz->kind = xcalloc(h->kinds, sizeof(*tz->kind));
	tz->n_kinds = h->kinds;
	for (size_t i = 0; i < h->kinds; i++) {
		const unsigned char *p = kinds + 6 * i;
		size_t at = p[5], len;

		tz->kind[i].offset_s = (int32_t)be32(p);
		tz->kind[i].is_dst = p[4] != 0;
		if (at >= h->chars || tz->kind[i].offset_s <= -CIVIL_REACH_S ||
		    tz->kind[i].offset_s >= CIVIL_REACH_S)
			return -1;
		len = strnlen((const char *)chars + at, h->chars - at);
		snprintf(tz->kind[i].abbr, TZ_ABBR_MAX, "%.*s", (int)MIN(len, TZ_ABBR_MAX - 1),
		    (const char *)chars + at);
	}
	return 0;
}

static int read_block(struct tz *tz, const struct header *h, const unsigned char *p, size_t time_bytes)
{
	const unsigned char *index = p + h->changes * time_bytes;
	const unsigned char *kinds = index + h->changes;

	/* Files that count leap seconds tell another time than ours. */
	if (h->kinds == 0 || h->leaps != 0 || read_kinds(tz, h, kinds, kinds + h->kinds * 6) == -1)
		return -1;
	tz->change = xcalloc(h->changes + 1, sizeof(*tz->change));
	tz->change_kind = xcalloc(h->changes + 1, 1);
	tz->n_changes = h->changes;
	for (size_t i = 0; i < h->changes; i++) {
		tz->change[i] = time_bytes == 8 ? be64(p + 8 * i) : (int32_t)be32(p + 4 * i);
		tz->change_kind[i] = index[i];
		if (index[i] >= h->kinds || (i > 0 && tz->change[i] <= tz->change[i - 1]))
			return -1;
	}
	return 0;
}

/* "\nCST6CDT,M3.2.0,M11.1.0\n"; an empty one means: no rule known. */
static int read_footer(struct tz *tz, const unsigned char *p, size_t n)
{
	char text[128];
	const unsigned char *end = n > 1 && p[0] == '\n' ? memchr(p + 1, '\n', n - 1) : NULL;
	size_t len = end != NULL ? (size_t)(end - p - 1) : 0;

	if (end == NULL || len >= sizeof(text))
		return -1;
	if (len == 0)
		return 0;
	memcpy(text, p + 1, len);
	text[len] = '\0';
	tz->has_rule = true;
	return tz_rule_parse(text, &tz->rule);
}

static int read_zone(struct tz *tz, const unsigned char *p, size_t n)
{
	struct header h;
	size_t skip, time_bytes = 4;

	if (read_header(p, n, &h) == -1)
		return -1;
	if (h.version >= 2) {
		skip = HEADER_BYTES + block_bytes(&h, 4);
		if (skip > n || read_header(p + skip, n - skip, &h) == -1)
			return -1;
		p += skip;
		n -= skip;
		time_bytes = 8;
	}
	p += HEADER_BYTES;
	n -= HEADER_BYTES;
	if (block_bytes(&h, time_bytes) > n || read_block(tz, &h, p, time_bytes) == -1)
		return -1;
	if (time_bytes == 4)
		return 0;
	skip = block_bytes(&h, 8);
	return read_footer(tz, p + skip, n - skip);
}

struct tz *tz_parse(const char *name, const void *bytes, size_t n, struct err *err)
{
	struct tz *tz = xcalloc(1, sizeof(*tz));

	tz->name = xstrdup(name);
	if (read_zone(tz, bytes, n) == -1) {
		err_code(err, ERR_BAD_DATA, "bad_zone", "time zone '%s': not a well-formed zone file", name);
		tz_free(tz);
		return NULL;
	}
	return tz;
}

static struct tz *open_utc(const char *name)
{
	struct tz *tz = xcalloc(1, sizeof(*tz));

	tz->name = xstrdup(name);
	tz->kind = xcalloc(1, sizeof(*tz->kind));
	tz->n_kinds = 1;
	memcpy(tz->kind[0].abbr, "UTC", sizeof("UTC"));
	return tz;
}

struct tz *tz_open_in(const char *dir, const char *name, struct err *err)
{
	struct strbuf sb = STRBUF_INIT(ZONE_FILE_MAX);
	struct tz *tz = NULL;
	char *path;

	if (strcmp(name, "UTC") == 0)
		return open_utc(name);
	if (!name_is_safe(name)) {
		err_code(err, ERR_CONFIG, "unknown_zone", "'%s' is not the name of a time zone", name);
		return NULL;
	}
	path = fs_join(dir, present_name(name));
	if (fs_read(path, &sb, err) == 0)
		tz = tz_parse(name, sb.buf, sb.len, err);
	else if (err_is(err, "not_found"))
		err_code(err, ERR_CONFIG, "unknown_zone",
		    "time zone '%s': no file %s; correct the name, or install the time zone data (package "
		    "tzdata)",
		    name, path);
	free(path);
	strbuf_release(&sb);
	return tz;
}

struct tz *tz_open(const char *name, struct err *err)
{
	return tz_open_in(ZONE_DIR, name, err);
}

void tz_free(struct tz *tz)
{
	if (tz == NULL)
		return;
	free(tz->name);
	free(tz->kind);
	free(tz->change);
	free(tz->change_kind);
	free(tz);
}

const char *tz_name(const struct tz *tz)
{
	return tz->name;
}

/* Number of changes at or before an instant. */
static size_t changes_before(const struct tz *tz, int64_t utc_s)
{
	size_t lo = 0, hi = tz->n_changes;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (tz->change[mid] <= utc_s)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static const struct tz_kind *kind_at(const struct tz *tz, int64_t utc_s)
{
	size_t n = changes_before(tz, utc_s);

	if (n == tz->n_changes && tz->has_rule)
		return tz_rule_at(&tz->rule, utc_s);
	return n == 0 ? &tz->kind[0] : &tz->kind[tz->change_kind[n - 1]];
}

bool tz_next_change(const struct tz *tz, int64_t utc_s, int64_t *change_s)
{
	size_t n = changes_before(tz, utc_s);

	if (n < tz->n_changes) {
		*change_s = tz->change[n];
		return true;
	}
	return tz->has_rule && tz_rule_next(&tz->rule, utc_s, change_s);
}

void tz_to_local(const struct tz *tz, int64_t utc_s, struct tz_local *out)
{
	const struct tz_kind *k = kind_at(tz, utc_s);

	out->offset_s = k->offset_s;
	out->local_s = utc_s + k->offset_s;
	out->is_dst = k->is_dst;
	memcpy(out->abbr, k->abbr, sizeof(out->abbr));
}

int64_t tz_to_utc(const struct tz *tz, int64_t local_s)
{
	int64_t from = local_s - CIVIL_REACH_S, until = local_s + CIVIL_REACH_S, at = from, best = 0;
	bool found = false, best_dst = false;
	int before_gap = kind_at(tz, from)->offset_s;

	/* Every offset in force around the time is tried; the instant it gives is real when that offset holds there. */
	do {
		const struct tz_kind *k = kind_at(tz, at);
		int64_t utc = local_s - k->offset_s;
		const struct tz_kind *there = kind_at(tz, utc);

		if (utc >= at) /* this period began before: its offset is the one a skipped time is read with */
			before_gap = k->offset_s;
		if (there->offset_s == k->offset_s &&
		    (!found || (best_dst && !there->is_dst) || (best_dst == there->is_dst && utc > best))) {
			best = utc;
			best_dst = there->is_dst;
			found = true;
		}
	} while (tz_next_change(tz, at, &at) && at < until);
	return found ? best : local_s - before_gap;
}
