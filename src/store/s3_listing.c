#include "config.h"

#include "store/s3_listing.h"

#include "base/codec.h"
#include "base/mem.h"
#include "base/utctime.h"
#include "store/s3_plain.h"

#include <inttypes.h>
#include <string.h>

/* Servers may answer an empty page with a token while they skip deleted keys, but not for ever. */
#define EMPTY_PAGES_MAX 100
#define TOKEN_MAX       8192

struct item {
	size_t key, etag; /* in text */
	int64_t size;
	tm_ms modified;
	bool has_key, has_size, has_date, has_etag;
};

struct s3_listing {
	char *prefix;
	char *floor; /* every key must be larger: the last one delivered, at first the caller's start_after */
	char *asked; /* floor as it can be asked for, see askable */
	bool paged; /* floor is a key of the page before */
	char *token; /* that asks for the next page */
	bool more;
	int empty_pages;

	/* The answer being read. */
	struct strbuf body;
	struct strbuf text; /* of its keys and ETags */
	struct item item, items[S3_PAGE_MAX];
	size_t n, kept; /* items; those of them delivered */
	bool truncated, has_truncated, url;
	int64_t key_count; /* -1: not said */
	struct strbuf next_token;
	struct s3_error error;
	struct store_object page[S3_PAGE_MAX];
};

/*
 * Servers echo start-after without encoding, and with a control character in it their answer is not XML.  Ask from
 * before that character then, and pass over the keys that come once more.
 */
static char *askable(const char *floor)
{
	size_t n = 0;

	if (floor == NULL)
		return NULL;
	while (floor[n] != '\0' && ((unsigned char)floor[n] >= 0x20 || strchr("\t\n\r", floor[n]) != NULL))
		n++;
	return n > 0 ? xstrndup(floor, n) : NULL;
}

static void set_floor(struct s3_listing *l, const char *key)
{
	xstrset(&l->floor, key);
	free(l->asked);
	l->asked = askable(l->floor);
}

struct s3_listing *s3_listing_new(const char *prefix, const char *start_after)
{
	struct s3_listing *l = xcalloc(1, sizeof(*l));

	l->prefix = xstrdup(prefix);
	set_floor(l, start_after);
	l->more = true;
	strbuf_init(&l->body, S3_XML_BODY_MAX);
	strbuf_init(&l->text, S3_PAGE_MAX * (3 * STORE_KEY_MAX + STORE_ETAG_MAX + 2));
	strbuf_init(&l->next_token, TOKEN_MAX);
	return l;
}

void s3_listing_free(struct s3_listing *l)
{
	if (l == NULL)
		return;
	free(l->prefix);
	free(l->floor);
	free(l->asked);
	free(l->token);
	strbuf_release(&l->body);
	strbuf_release(&l->text);
	strbuf_release(&l->next_token);
	free(l);
}

/* Decimal digits within 63 bits. */
static bool parse_count(const char *s, size_t n, int64_t *out)
{
	int64_t v = 0;

	if (n == 0)
		return false;
	for (size_t i = 0; i < n; i++)
		if (s[i] < '0' || s[i] > '9' || __builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, s[i] - '0', &v))
			return false;
	*out = v;
	return true;
}

static int keep(struct s3_listing *l, const char *s, size_t n, size_t *at, struct err *err)
{
	char *room = strbuf_room(&l->text, n + 1);

	if (room == NULL)
		return err_code(err, ERR_BAD_DATA, "xml.limit", "the listing has keys longer than any of S3");
	*at = l->text.len;
	memcpy(room, s, n);
	room[n] = '\0';
	strbuf_grew(&l->text, n + 1);
	return 0;
}

typedef int field_fn(struct s3_listing *, const char *text, size_t n, struct err *err);

static int on_key(struct s3_listing *l, const char *text, size_t n, struct err *err)
{
	if (l->item.has_key)
		return err_code(err, ERR_BAD_DATA, "field.key", "the listing has an object with two keys");
	l->item.has_key = true;
	if (memchr(text, '\0', n) != NULL)
		return err_code(err, ERR_BAD_DATA, "field.key", "the listing has a key with a NUL");
	return keep(l, text, n, &l->item.key, err);
}

static int on_size(struct s3_listing *l, const char *text, size_t n, struct err *err)
{
	l->item.has_size = true;
	if (!parse_count(text, n, &l->item.size))
		return err_code(err, ERR_BAD_DATA, "field.size", "the listing has the size '%.30s'", text);
	return 0;
}

static int on_date(struct s3_listing *l, const char *text, size_t n, struct err *err)
{
	l->item.has_date = true;
	if (utctime_parse(text, &l->item.modified) == -1)
		return err_code(err, ERR_BAD_DATA, "field.date", "the listing has the date '%.40s'", text);
	return 0;
}

static int on_etag(struct s3_listing *l, const char *text, size_t n, struct err *err)
{
	if (n >= 2 && text[0] == '"' && text[n - 1] == '"')
		text++, n -= 2;
	if (n == 0 || n >= STORE_ETAG_MAX)
		return err_code(err, ERR_BAD_DATA, "field.etag", "the listing has an ETag of %zu bytes", n);
	l->item.has_etag = true;
	return keep(l, text, n, &l->item.etag, err);
}

static int on_contents(struct s3_listing *l, const char *text, size_t n, struct err *err)
{
	const struct item *i = &l->item;
	const char *missing = !i->has_key    ? "key"
	                      : !i->has_size ? "size"
	                      : !i->has_date ? "date"
	                      : !i->has_etag ? "etag"
	                                     : NULL;
	char code[20];

	if (missing != NULL) {
		snprintf(code, sizeof(code), "field.%s", missing);
		return err_code(err, ERR_BAD_DATA, code, "the listing has an object without %s", missing);
	}
	if (l->n == S3_PAGE_MAX)
		return err_code(err, ERR_BAD_DATA, "proto.count", "the listing has a page of more than %d keys",
		    S3_PAGE_MAX);
	l->items[l->n++] = *i;
	l->item = (struct item){0};
	return 0;
}

static int on_truncated(struct s3_listing *l, const char *text, size_t n, struct err *err)
{
	l->has_truncated = true;
	l->truncated = strcmp(text, "true") == 0;
	if (!l->truncated && strcmp(text, "false") != 0)
		return err_code(
		    err, ERR_BAD_DATA, "proto.pagination", "the listing has IsTruncated '%.20s'", text);
	return 0;
}

static int on_token(struct s3_listing *l, const char *text, size_t n, struct err *err)
{
	strbuf_reset(&l->next_token);
	return strbuf_add(&l->next_token, text, n) == 0
	           ? 0
	           : err_code(err, ERR_BAD_DATA, "proto.pagination", "the listing has a token of %zu bytes", n);
}

static int on_encoding(struct s3_listing *l, const char *text, size_t n, struct err *err)
{
	l->url = strcmp(text, "url") == 0;
	if (!l->url && n > 0)
		return err_code(
		    err, ERR_BAD_DATA, "field.encoding", "the listing has the encoding '%.20s'", text);
	return 0;
}

static int on_key_count(struct s3_listing *l, const char *text, size_t n, struct err *err)
{
	if (!parse_count(text, n, &l->key_count))
		return err_code(err, ERR_BAD_DATA, "proto.count", "the listing has KeyCount '%.20s'", text);
	return 0;
}

struct field {
	const char *name;
	field_fn *fn;
};

static field_fn *find_field(const struct field *row, const char *name)
{
	for (; row->name != NULL; row++)
		if (name[0] == row->name[0] && strcmp(name, row->name) == 0)
			return row->fn;
	return NULL;
}

#define ROOT        "ListBucketResult"
#define IN_LIST     ROOT "/"
#define IN_CONTENTS IN_LIST "Contents/"

static int on_element(void *arg, const char *path, const char *text, size_t n, struct err *err)
{
	static const struct field of_object[] = {
	    {"Key", on_key},
	    {"LastModified", on_date},
	    {"ETag", on_etag},
	    {"Size", on_size},
	    {NULL, NULL},
	};
	static const struct field of_list[] = {
	    {"Contents", on_contents},
	    {"IsTruncated", on_truncated},
	    {"NextContinuationToken", on_token},
	    {"EncodingType", on_encoding},
	    {"KeyCount", on_key_count},
	    {NULL, NULL},
	};
	struct s3_listing *l = arg;
	field_fn *fn = NULL;

	/* The beginning of the path is looked at once: this runs several times for each of 100,000 keys. */
	if (strncmp(path, IN_CONTENTS, sizeof(IN_CONTENTS) - 1) == 0)
		fn = find_field(of_object, path + sizeof(IN_CONTENTS) - 1);
	else if (strncmp(path, IN_LIST, sizeof(IN_LIST) - 1) == 0)
		fn = find_field(of_list, path + sizeof(IN_LIST) - 1);
	else if (strncmp(path, "Error/", 6) == 0)
		return s3_error_element(&l->error, path, text, n, err);
	return fn != NULL ? fn(l, text, n, err) : 0;
}

static void forget_page(struct s3_listing *l)
{
	strbuf_reset(&l->text);
	strbuf_reset(&l->next_token);
	l->item = (struct item){0};
	l->n = 0;
	l->truncated = l->has_truncated = l->url = false;
	l->key_count = -1;
	l->error = (struct s3_error){0};
}

void s3_listing_begin(struct s3_listing *l)
{
	strbuf_reset(&l->body);
	forget_page(l);
}

int s3_listing_feed(struct s3_listing *l, const char *p, size_t n)
{
	return strbuf_add(&l->body, p, n);
}

/* Percent-decode in place: '+' is a blank, then %xx, once.  false: a bad sequence or a NUL. */
static bool url_decode(char *s)
{
	char *out = s;

	for (; *s; s++, out++) {
		if (*s == '+') {
			*out = ' ';
		} else if (*s != '%') {
			*out = *s;
		} else {
			if (s[1] == '\0' || hex_decode((const char[]){s[1], s[2], '\0'}, out, 1) == -1 ||
			    *out == '\0')
				return false;
			s += 2;
		}
	}
	*out = '\0';
	return true;
}

static int check_key(struct s3_listing *l, char *key, const char *before, struct err *err)
{
	if (l->url && !url_decode(key))
		return err_code(
		    err, ERR_BAD_DATA, "field.key", "the listing has the badly encoded key '%.80s'", key);
	size_t n = strlen(key);
	if (n == 0 || n > STORE_KEY_MAX || !utf8_valid(key, n))
		return err_code(err, ERR_BAD_DATA, "field.key",
		    "the listing has a key that is empty, too long or not UTF-8");
	if (strncmp(key, l->prefix, strlen(l->prefix)) != 0)
		return err_code(err, ERR_BAD_DATA, "proto.prefix",
		    "the listing of '%s' has a key that lies elsewhere", l->prefix);
	if (before != NULL && strcmp(key, before) <= 0)
		return err_code(
		    err, ERR_BAD_DATA, "proto.order", "the listing has '%.200s' after '%.200s'", key, before);
	return 0;
}

/* Keys that come again because we had to ask from before the floor. */
static bool is_repeated(const struct s3_listing *l, const char *key)
{
	return l->floor != NULL && (l->asked == NULL || strcmp(l->asked, l->floor) != 0) &&
	       strcmp(key, l->floor) <= 0;
}

static int check_keys(struct s3_listing *l, struct err *err)
{
	const char *before = NULL;

	l->kept = 0;
	for (size_t i = 0; i < l->n; i++) {
		const struct item *it = &l->items[i];
		char *key = l->text.buf + it->key;

		if (check_key(l, key, before, err) == -1)
			return -1;
		before = key;
		if (is_repeated(l, key))
			continue;
		if (l->kept == 0 && l->floor != NULL && strcmp(key, l->floor) <= 0)
			return err_code(err, ERR_BAD_DATA, l->paged ? "proto.pagination" : "proto.order",
			    "the listing has '%.200s' after '%.200s'", key, l->floor);
		l->page[l->kept++] = (struct store_object){
		    .key = key, .size = it->size, .etag = l->text.buf + it->etag, .modified = it->modified};
	}
	return 0;
}

static int check_pagination(struct s3_listing *l, bool token_lost, struct err *err)
{
	if (!l->has_truncated)
		return err_code(
		    err, ERR_BAD_DATA, "proto.pagination", "the listing does not say whether it is complete");
	if (l->key_count != -1 && l->key_count != (int64_t)l->n && !token_lost)
		return err_code(err, ERR_BAD_DATA, "proto.count",
		    "the listing says %" PRId64 " keys and has %zu", l->key_count, l->n);
	if (!l->truncated)
		return 0;
	if (l->next_token.len == 0 && !token_lost)
		return err_code(
		    err, ERR_BAD_DATA, "proto.pagination", "the listing goes on but names no continuation");
	if (!token_lost && l->token != NULL && strcmp(l->token, l->next_token.buf) == 0)
		return err_code(err, ERR_BAD_DATA, "proto.pagination", "the listing turns in a circle");
	if (token_lost && l->kept == 0)
		return err_code(err, ERR_BAD_DATA, "proto.pagination",
		    "the listing does not get past keys with control characters");
	l->empty_pages = l->n == 0 ? l->empty_pages + 1 : 0;
	if (l->empty_pages > EMPTY_PAGES_MAX)
		return err_code(
		    err, ERR_BAD_DATA, "proto.pagination", "the listing has %d empty pages", l->empty_pages);
	return 0;
}

/*
 * Some servers use the last key as the token and write it without encoding; with a control character in it the answer
 * is not XML.  Everything else has been read by then: the next page can be asked for by key.
 */
static bool lost_only_the_token(const struct s3_listing *l, const struct s3_xml *xml, const struct err *err)
{
	return err_is(err, "xml.malformed") && l->n > 0 && l->truncated &&
	       strcmp(s3_xml_where(xml), "ListBucketResult/NextContinuationToken") == 0;
}

/* 1: whole but for its token. */
static int parse_xml(struct s3_listing *l, struct err *err)
{
	struct s3_xml *xml = s3_xml_new(ROOT, true, S3_XML_BODY_MAX, on_element, l);
	struct err e = ERR_INIT;
	int rc = 0;

	s3_xml_feed(xml, l->body.buf, l->body.len);
	if (s3_xml_finish(xml, &e) == -1) {
		rc = lost_only_the_token(l, xml, &e) ? 1 : -1;
		if (rc == -1)
			*err = e;
	} else if (strcmp(s3_xml_root(xml), "Error") == 0) {
		rc = -1;
	}
	s3_xml_free(xml);
	return rc;
}

static int parse(struct s3_listing *l, struct err *err)
{
	if (l->body.overflowed)
		return err_code(err, ERR_BAD_DATA, "xml.limit", "the answer is larger than any of S3");
	if (s3_plain_read(l->body.buf, l->body.len, ROOT, on_element, l) == 0)
		return 0;
	forget_page(l);
	return parse_xml(l, err);
}

int s3_listing_end(struct s3_listing *l, const struct store_object **objs, size_t *n, struct err *err)
{
	int rc = parse(l, err);
	bool token_lost = rc == 1;

	if (rc == -1)
		return -1;
	if (check_keys(l, err) == -1 || check_pagination(l, token_lost, err) == -1)
		return -1;
	l->more = l->truncated;
	xstrset(&l->token, l->truncated && !token_lost ? l->next_token.buf : NULL);
	if (l->kept > 0) {
		set_floor(l, l->page[l->kept - 1].key);
		l->paged = true;
	}
	*objs = l->page;
	*n = l->kept;
	return 0;
}

const struct s3_error *s3_listing_error(const struct s3_listing *l)
{
	return l->error.code[0] ? &l->error : NULL;
}

bool s3_listing_more(const struct s3_listing *l)
{
	return l->more;
}

const char *s3_listing_token(const struct s3_listing *l)
{
	return l->token;
}

const char *s3_listing_start_after(const struct s3_listing *l)
{
	return l->asked;
}
