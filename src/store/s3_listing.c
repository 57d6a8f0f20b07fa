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
	size_t key, nkey, etag; /* in text */
	int64_t size;
	tm_ms modified;
	bool has_key, has_size, has_date, has_etag;
};

struct s3_listing {
	char *prefix;
	size_t nprefix;
	char *floor; /* every key must be larger: the last one delivered, at first the caller's start_after */
	char *asked; /* floor as it can be asked for, see askable */
	bool repeats; /* asked is less: keys up to the floor come once more */
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
	l->repeats = key != NULL && (l->asked == NULL || strcmp(l->asked, key) != 0);
}

struct s3_listing *s3_listing_new(const char *prefix, const char *start_after)
{
	struct s3_listing *l = xcalloc(1, sizeof(*l));

	l->prefix = xstrdup(prefix);
	l->nprefix = strlen(prefix);
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

static int on_key(void *arg, const char *path, const char *text, size_t n, struct err *err)
{
	struct s3_listing *l = arg;

	if (l->item.has_key)
		return err_code(err, ERR_BAD_DATA, "field.key", "the listing has an object with two keys");
	l->item.has_key = true;
	if (memchr(text, '\0', n) != NULL)
		return err_code(err, ERR_BAD_DATA, "field.key", "the listing has a key with a NUL");
	l->item.nkey = n;
	return keep(l, text, n, &l->item.key, err);
}

static int on_size(void *arg, const char *path, const char *text, size_t n, struct err *err)
{
	struct s3_listing *l = arg;

	l->item.has_size = true;
	if (!parse_count(text, n, &l->item.size))
		return err_code(err, ERR_BAD_DATA, "field.size", "the listing has the size '%.30s'", text);
	return 0;
}

static int on_date(void *arg, const char *path, const char *text, size_t n, struct err *err)
{
	struct s3_listing *l = arg;

	l->item.has_date = true;
	if (utctime_parse(text, &l->item.modified) == -1)
		return err_code(err, ERR_BAD_DATA, "field.date", "the listing has the date '%.40s'", text);
	return 0;
}

static int on_etag(void *arg, const char *path, const char *text, size_t n, struct err *err)
{
	struct s3_listing *l = arg;

	if (n >= 2 && text[0] == '"' && text[n - 1] == '"')
		text++, n -= 2;
	if (n == 0 || n >= STORE_ETAG_MAX)
		return err_code(err, ERR_BAD_DATA, "field.etag", "the listing has an ETag of %zu bytes", n);
	l->item.has_etag = true;
	return keep(l, text, n, &l->item.etag, err);
}

static int on_contents(void *arg, const char *path, const char *text, size_t n, struct err *err)
{
	struct s3_listing *l = arg;

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

static int on_truncated(void *arg, const char *path, const char *text, size_t n, struct err *err)
{
	struct s3_listing *l = arg;

	l->has_truncated = true;
	l->truncated = strcmp(text, "true") == 0;
	if (!l->truncated && strcmp(text, "false") != 0)
		return err_code(
		    err, ERR_BAD_DATA, "proto.pagination", "the listing has IsTruncated '%.20s'", text);
	return 0;
}

static int on_token(void *arg, const char *path, const char *text, size_t n, struct err *err)
{
	struct s3_listing *l = arg;

	strbuf_reset(&l->next_token);
	return strbuf_add(&l->next_token, text, n) == 0
	           ? 0
	           : err_code(err, ERR_BAD_DATA, "proto.pagination", "the listing has a token of %zu bytes", n);
}

static int on_encoding(void *arg, const char *path, const char *text, size_t n, struct err *err)
{
	struct s3_listing *l = arg;

	l->url = strcmp(text, "url") == 0;
	if (!l->url && n > 0)
		return err_code(
		    err, ERR_BAD_DATA, "field.encoding", "the listing has the encoding '%.20s'", text);
	return 0;
}

static int on_key_count(void *arg, const char *path, const char *text, size_t n, struct err *err)
{
	struct s3_listing *l = arg;

	if (!parse_count(text, n, &l->key_count))
		return err_code(err, ERR_BAD_DATA, "proto.count", "the listing has KeyCount '%.20s'", text);
	return 0;
}

static int on_error_element(void *arg, const char *path, const char *text, size_t n, struct err *err)
{
	struct s3_listing *l = arg;

	return s3_error_element(&l->error, path, text, n, err);
}

#define ROOT "ListBucketResult"

static s3_xml_element *taker_of(const char *path)
{
	static const struct {
		const char *path;
		s3_xml_element *fn;
	} row[] = {
	    {ROOT "/Contents/Key", on_key},
	    {ROOT "/Contents/LastModified", on_date},
	    {ROOT "/Contents/ETag", on_etag},
	    {ROOT "/Contents/Size", on_size},
	    {ROOT "/Contents", on_contents},
	    {ROOT "/IsTruncated", on_truncated},
	    {ROOT "/NextContinuationToken", on_token},
	    {ROOT "/EncodingType", on_encoding},
	    {ROOT "/KeyCount", on_key_count},
	};

	for (size_t i = 0; i < NITEMS(row); i++)
		if (strcmp(path, row[i].path) == 0)
			return row[i].fn;
	return strncmp(path, "Error/", 6) == 0 ? on_error_element : NULL;
}

/* For the reader that does not ask beforehand. */
static int on_element(void *arg, const char *path, const char *text, size_t n, struct err *err)
{
	s3_xml_element *fn = taker_of(path);

	return fn != NULL ? fn(arg, path, text, n, err) : 0;
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

/* Percent-decode in place: '+' is a blank, then %xx, once.  The length; 0: nothing, a bad sequence or a NUL. */
static size_t url_decode(char *s, size_t n)
{
	char *out, *from, *end = s + n, *p = s;

	while ((p = memchr(p, '+', (size_t)(end - p))) != NULL)
		*p = ' ';
	out = from = s;
	while ((p = memchr(from, '%', (size_t)(end - from))) != NULL) {
		memmove(out, from, (size_t)(p - from));
		out += p - from;
		int byte = hex_byte(p + 1); /* s[n] is a NUL */

		if (byte <= 0)
			return 0;
		*out++ = (char)byte;
		from = p + 3;
	}
	memmove(out, from, (size_t)(end - from + 1));
	return (size_t)(out - s + (end - from));
}

static int check_key(struct s3_listing *l, char *key, size_t n, const char *before, struct err *err)
{
	if (l->url && n > 0 && (n = url_decode(key, n)) == 0)
		return err_code(
		    err, ERR_BAD_DATA, "field.key", "the listing has the badly encoded key '%.80s'", key);
	if (n == 0 || n > STORE_KEY_MAX || !utf8_valid(key, n))
		return err_code(err, ERR_BAD_DATA, "field.key",
		    "the listing has a key that is empty, too long or not UTF-8");
	if (n < l->nprefix || memcmp(key, l->prefix, l->nprefix) != 0)
		return err_code(err, ERR_BAD_DATA, "proto.prefix",
		    "the listing of '%s' has a key that lies elsewhere", l->prefix);
	if (before != NULL && strcmp(key, before) <= 0)
		return err_code(
		    err, ERR_BAD_DATA, "proto.order", "the listing has '%.200s' after '%.200s'", key, before);
	return 0;
}

static int check_keys(struct s3_listing *l, struct err *err)
{
	const char *before = NULL;

	l->kept = 0;
	for (size_t i = 0; i < l->n; i++) {
		const struct item *it = &l->items[i];
		char *key = l->text.buf + it->key;

		if (check_key(l, key, it->nkey, before, err) == -1)
			return -1;
		before = key;
		if (l->repeats && strcmp(key, l->floor) <= 0)
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
		rc = s3_error_refuses(&l->error, err);
	}
	s3_xml_free(xml);
	return rc;
}

static int parse(struct s3_listing *l, struct err *err)
{
	if (l->body.overflowed)
		return err_code(err, ERR_BAD_DATA, "xml.limit", "the answer is larger than any of S3");
	if (s3_plain_read(l->body.buf, l->body.len, ROOT, taker_of, l) == 0)
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
