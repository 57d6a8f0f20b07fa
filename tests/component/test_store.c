/*
 * What every store promises (store.h), as one suite.  Without arguments it runs on a fresh folder; other stores are
 * named by the scripts that start their servers.
 */
#include "config.h"

#include "tests/tap.h"

#include "base/codec.h"
#include "base/digest.h"
#include "base/strbuf.h"
#include "base/strvec.h"
#include "store/dir.h"
#include "store/s3.h"
#include "store/sync.h"

#include <event2/event.h>
#include <fcntl.h>

static struct event_base *base;
static struct store *st;
static bool flat_keys; /* the store takes any key (s3), not only paths (dir) */

static const char *put(const char *key, const char *text)
{
	static struct store_entry e;
	struct err err = ERR_INIT;

	store_entry_release(&e);
	if (store_sync_put(st, key, text, strlen(text), NULL, &e, &err) == -1) {
		diag("put %s: %s", key, err.text);
		return NULL;
	}
	return e.etag;
}

static const char *get(const char *key)
{
	static struct strbuf sb;
	struct err err = ERR_INIT;

	strbuf_release(&sb);
	strbuf_init(&sb, 1 << 20);
	return store_sync_get(st, key, NULL, &sb, NULL, &err) == 0 ? sb.buf : NULL;
}

static bool fails(int rc, const struct err *err, enum err_class class, const char *code)
{
	if (rc == -1 && err->class == class && err_is(err, code) && err->text[0] != '\0')
		return true;
	diag("rc %d class %s code '%s' text '%s'", rc, err_class_name(err->class), err->code, err->text);
	return false;
}

static char *pattern_bytes(size_t n, unsigned seed)
{
	char *p = xmalloc(n);

	for (size_t i = 0; i < n; i++) {
		seed = seed * 1664525u + 1013904223u;
		p[i] = (char)(seed >> 24);
	}
	return p;
}

static void test_roundtrip(void)
{
	static const size_t sizes[] = {0, 1, 255, 65536, 256 * 1024, 256 * 1024 + 1, 1500000, 9000000};
	struct err err = ERR_INIT;

	for (size_t i = 0; i < NITEMS(sizes); i++) {
		char *key = xasprintf("round/%zu.bin", sizes[i]), *p = pattern_bytes(sizes[i], (unsigned)i + 1);
		char sum[SHA256_HEX], back[SHA256_HEX];
		struct store_entry e = {0}, h = {0}, g = {0};
		struct strbuf sb = STRBUF_INIT(sizes[i] + 1);
		int64_t size = -1;

		sha256_hex(p, sizes[i], sum);
		struct store_put_opts o = {.sha256 = sum, .content_type = "application/x-test"};
		ok(store_sync_put(st, key, p, sizes[i], &o, &e, &err) == 0, "put %zu bytes", sizes[i]);
		is_str(e.key, key, "it names its key");
		ok(e.size == (int64_t)sizes[i] && e.etag[0] != '\0' && strchr(e.etag, '"') == NULL,
		    "size and bare ETag");
		ok(store_sync_head(st, key, &h, &err) == 0 && h.size == e.size, "head: size");
		is_str(h.etag, e.etag, "head: the same ETag");
		is_str(h.sha256, sum, "head: the sum is kept");
		ok(store_sync_get(st, key, e.etag, &sb, &g, &err) == 0 && sb.len == sizes[i] &&
		        memcmp(sb.buf, p, sizes[i]) == 0,
		    "get gives the bytes back");
		is_str(g.etag, e.etag, "get: the same ETag");
		ok(store_sync_digest(st, key, back, &size, &err) == 0 && strcmp(back, sum) == 0 &&
		        size == (int64_t)sizes[i],
		    "the independent re-read agrees");
		if (sizes[i] > 0) {
			strbuf_release(&sb);
			strbuf_init(&sb, sizes[i] - 1);
			ok(fails(store_sync_get(st, key, NULL, &sb, NULL, &err), &err, ERR_BAD_DATA, "limit") &&
			        sb.len == 0,
			    "a buffer too small is refused");
		}
		store_entry_release(&e), store_entry_release(&h), store_entry_release(&g);
		strbuf_release(&sb);
		free(key), free(p);
	}
}

static void test_files(void)
{
	char *path = fs_join(test_dir(), "local"), *back = fs_join(test_dir(), "back");
	char *p = pattern_bytes(700001, 7), sum[SHA256_HEX], got[SHA256_HEX];
	struct err err = ERR_INIT;
	struct store_entry e = {0};

	sha256_hex(p, 700001, sum);
	fs_write_atomic(path, p, 700001, 0644, NULL);
	struct store_put_opts o = {.sha256 = sum};
	ok(store_sync_put_file(st, "files/a", path, &o, &e, &err) == 0 && e.size == 700001, "put a file");
	is_str(e.sha256, sum, "with its sum");
	store_entry_release(&e);
	ok(store_sync_put_file(st, "files/b", path, NULL, &e, &err) == 0 && e.size == 700001,
	    "put a file without a sum");
	store_entry_release(&e);
	ok(store_sync_digest(st, "files/b", got, NULL, &err) == 0 && strcmp(got, sum) == 0, "the same bytes");
	int fd = open(back, O_RDWR | O_CREAT | O_TRUNC, 0600);
	ok(store_sync_get_file(st, "files/a", NULL, fd, 700001, &err) == 0 && lseek(fd, 0, SEEK_END) == 700001,
	    "get into a file");
	ok(fails(store_sync_get_file(st, "files/a", NULL, fd, 700000, &err), &err, ERR_BAD_DATA, "limit"),
	    "a larger object than expected is refused");
	close(fd);
	/* A file that ends before the promised size. */
	fd = open(path, O_RDONLY);
	ok(ftruncate(fd, 0) == -1 && truncate(path, 1000) == 0, "the file shrinks");
	close(fd);
	ok(fails(store_sync_put_file(st, "files/c", path, &o, NULL, &err), &err, ERR_BAD_DATA, "corrupt"),
	    "other bytes than the sum says are refused");
	ok(fails(store_sync_head(st, "files/c", &e, &err), &err, ERR_PERMANENT, "not_found"),
	    "and leave no object");
	ok(fails(store_sync_put(st, "files/c", "abc", 3, &o, NULL, &err), &err, ERR_BAD_DATA, "corrupt"),
	    "from memory too");
	free(path), free(back), free(p);
}

static bool stop_now(void *arg)
{
	return true;
}

/* A step that was told to end does not wait for a transfer. */
static void test_stop(void)
{
	char *p = pattern_bytes(8000000, 11);
	struct store_entry e = {0};
	struct err err = ERR_INIT;

	store_sync_stop_when(stop_now, NULL);
	/* What is faster than the look at the flag ends well; nothing may end in between. */
	int rc = store_sync_put(st, "stop/big", p, 8000000, NULL, &e, &err);
	store_sync_stop_when(NULL, NULL);
	ok(rc == 0 || err.class == ERR_CANCELLED, "told to stop: %s", rc == 0 ? "done already" : err.text);
	store_entry_release(&e);
	rc = store_sync_head(st, "stop/big", &e, &err);
	ok(rc == 0 ? e.size == 8000000 : err_is(&err, "not_found"), "the object is whole or absent");
	store_entry_release(&e);
	store_sync_delete(st, "stop/big", NULL, &err);
	free(p);
}

static void test_missing(void)
{
	struct store_entry e = {0};
	struct strbuf sb = STRBUF_INIT(100);
	struct err err = ERR_INIT;

	ok(fails(store_sync_head(st, "no/such", &e, &err), &err, ERR_PERMANENT, "not_found"),
	    "head of a missing key");
	ok(fails(store_sync_get(st, "no/such", NULL, &sb, NULL, &err), &err, ERR_PERMANENT, "not_found"),
	    "get");
	ok(strstr(err.text, "no/such") != NULL, "the text names the key: %s", err.text);
	ok(fails(
	       store_sync_copy(st, "no/such", NULL, "no/other", NULL, &err), &err, ERR_PERMANENT, "not_found"),
	    "copy");
	ok(store_sync_delete(st, "no/such", NULL, &err) == 0, "deleting a missing key is a success");
	ok(store_sync_delete(st, "no/such", "0123", &err) == 0, "conditionally too");
	put("plain", "x");
	ok(fails(store_sync_head(st, "plain/below", &e, &err), &err, ERR_PERMANENT, "not_found"),
	    "nothing below an object");
	ok(store_sync_delete(st, "plain/below", NULL, &err) == 0 && get("plain") != NULL,
	    "deleting below it is harmless");
	strbuf_release(&sb);
}

static void test_conditions(void)
{
	struct err err = ERR_INIT;
	struct store_entry e = {0};
	struct strbuf sb = STRBUF_INIT(100);
	char one[STORE_ETAG_MAX], two[STORE_ETAG_MAX];

	snprintf(one, sizeof(one), "%s", put("cond/k", "first"));
	snprintf(two, sizeof(two), "%s", put("cond/k", "2nd.."));
	ok(strcmp(one, two) != 0, "equal size, other content, other ETag");

	struct store_put_opts absent = {.if_absent = true}, match_one = {.if_match = one},
	                      match_two = {.if_match = two};
	ok(fails(store_sync_put(st, "cond/k", "third", 5, &absent, NULL, &err), &err, ERR_PERMANENT,
	       "precondition"),
	    "create only: refused when it exists");
	ok(store_sync_put(st, "cond/new", "fresh", 5, &absent, NULL, &err) == 0,
	    "create only: done when it does not");
	ok(fails(store_sync_put(st, "cond/k", "third", 5, &match_one, NULL, &err), &err, ERR_PERMANENT,
	       "precondition"),
	    "overwrite only what it was: refused when it changed");
	is_str(get("cond/k"), "2nd..", "nothing was written");
	ok(store_sync_put(st, "cond/k", "third", 5, &match_two, &e, &err) == 0, "done when it did not");
	ok(fails(store_sync_put(st, "cond/gone", "x", 1, &match_two, NULL, &err), &err, ERR_PERMANENT,
	       "precondition"),
	    "refused when it is gone");

	ok(fails(store_sync_get(st, "cond/k", two, &sb, NULL, &err), &err, ERR_PERMANENT, "precondition") &&
	        sb.len == 0,
	    "a pinned get refuses other content");
	ok(fails(store_sync_copy(st, "cond/k", two, "cond/copy", NULL, &err), &err, ERR_PERMANENT,
	       "precondition"),
	    "so does a copy");
	ok(store_sync_copy(st, "cond/k", e.etag, "cond/copy", NULL, &err) == 0,
	    "and both go on with the right one");
	is_str(get("cond/copy"), "third", "the copy has the content");
	ok(fails(store_sync_delete(st, "cond/k", two, &err), &err, ERR_PERMANENT, "precondition"),
	    "a conditional delete refuses changed content");
	is_str(get("cond/k"), "third", "and keeps it");
	ok(store_sync_delete(st, "cond/k", e.etag, &err) == 0 && get("cond/k") == NULL,
	    "and deletes the right one");
	store_entry_release(&e);
	strbuf_release(&sb);
}

static void test_copy(void)
{
	char *p = pattern_bytes(3000000, 3), sum[SHA256_HEX], got[SHA256_HEX];
	struct store_put_opts o = {.sha256 = sum};
	struct store_entry e = {0};
	struct err err = ERR_INIT;

	sha256_hex(p, 3000000, sum);
	ok(store_sync_put(st, "copy/from", p, 3000000, &o, NULL, &err) == 0 &&
	        store_sync_copy(st, "copy/from", NULL, "copy/deep/er/to", &e, &err) == 0,
	    "copy 3 MB");
	ok(e.size == 3000000, "size");
	store_entry_release(&e);
	ok(store_sync_digest(st, "copy/deep/er/to", got, NULL, &err) == 0 && strcmp(got, sum) == 0, "content");
	ok(store_sync_head(st, "copy/deep/er/to", &e, &err) == 0 && strcmp(e.sha256, sum) == 0,
	    "the sum went with it");
	store_entry_release(&e);
	ok(store_sync_put(st, "copy/from", "new", 3, NULL, NULL, &err) == 0 &&
	        store_sync_copy(st, "copy/from", NULL, "copy/deep/er/to", NULL, &err) == 0,
	    "copy over an existing object");
	is_str(get("copy/deep/er/to"), "new", "replaces it");
	free(p);
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool listing_is(const struct store_listing *l, char *const *want, size_t n)
{
	bool same = l->n == n;

	for (size_t i = 0; i < n && i < l->n && same; i++)
		same = strcmp(l->v[i].key, want[i]) == 0;
	if (!same) {
		for (size_t i = 0; i < MAX(n, l->n); i++)
			diag("%-30s %s", i < l->n ? l->v[i].key : "-", i < n ? want[i] : "-");
	}
	return same;
}

static const char *const odd_keys[] = {
    "odd/a b",
    "odd/a+b",
    "odd/a%2Fb",
    "odd/a%b",
    "odd/a&b",
    "odd/a=b?c#d",
    "odd/\xc3\xa9",
    "odd/e\xcc\x81",
    "odd/\xf0\x9f\x94\xad",
    "odd/it's \"quoted\"",
    "odd/<tag>",
    "odd/~tilde!*()$;,:@",
    "odd/back\\slash",
    "odd/ lead",
    "odd/trail ",
    "odd/tab\there",
    "odd/line\nbreak",
    "odd/.hidden",
    "odd/..two",
    "odd/-dash",
    "odd/\x01\x7f",
};

static void test_odd_keys(void)
{
	struct store_listing l = {0};
	struct err err = ERR_INIT;
	char *want[NITEMS(odd_keys)];
	bool all = true;

	for (size_t i = 0; i < NITEMS(odd_keys); i++) {
		want[i] = (char *)odd_keys[i];
		put(odd_keys[i], odd_keys[i]);
	}
	for (size_t i = 0; i < NITEMS(odd_keys); i++) {
		const char *got = get(odd_keys[i]);

		if (got == NULL || strcmp(got, odd_keys[i]) != 0)
			all = ok(false, "key %zu is its own object", i);
	}
	ok(all, "%zu odd keys are %zu objects", NITEMS(odd_keys), NITEMS(odd_keys));
	qsort(want, NITEMS(want), sizeof(want[0]), by_bytes);
	ok(store_sync_list(st, "odd/", 1000, &l, &err) == 0 && listing_is(&l, want, NITEMS(want)),
	    "listed exactly, in order");
	store_listing_release(&l);
	for (size_t i = 0; i < NITEMS(odd_keys); i++)
		if (store_sync_copy(st, odd_keys[i], NULL, "oddcopy", NULL, &err) == -1 ||
		    strcmp(get("oddcopy"), odd_keys[i]) != 0)
			ok(false, "copy from odd key %zu: %s", i, err.text);
	for (size_t i = 0; i < NITEMS(odd_keys); i++)
		store_sync_delete(st, odd_keys[i], NULL, &err);
	ok(store_sync_list(st, "odd/", 1000, &l, &err) == 0 && l.n == 0, "and all gone after deleting them");
	store_listing_release(&l);
}

#define MANY 30

static void on_many(size_t i, const struct err *err, void *arg)
{
	char(*code)[ERR_CODE_MAX] = arg;

	snprintf(code[i], ERR_CODE_MAX, "%s", err == NULL ? "gone" : err->code);
}

static bool all_are(char (*code)[ERR_CODE_MAX], size_t n, const char *want)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(code[i], want) != 0)
			return diag("%zu: %s", i, code[i]), false;
	return true;
}

static void test_delete_many(void)
{
	char key[MANY][32], code[MANY + 4][ERR_CODE_MAX] = {0};
	struct store_entry e[MANY] = {0};
	struct store_deletion v[MANY + 4];
	struct err err = ERR_INIT;

	for (size_t i = 0; i < MANY; i++) {
		snprintf(key[i], sizeof(key[i]), "many/%02zu", i);
		store_sync_put(st, key[i], key[i], strlen(key[i]), NULL, &e[i], &err);
		v[i] = (struct store_deletion){key[i], e[i].etag};
	}
	put("many/05", "another");
	put("many/plain", "x");
	v[MANY] = (struct store_deletion){"many/missing", e[0].etag};
	v[MANY + 1] = (struct store_deletion){"many/plain", NULL};
	v[MANY + 2] = (struct store_deletion){"many/missing too", NULL};
	v[MANY + 3] = (struct store_deletion){"", NULL};
	ok(store_sync_delete_many(st, v, MANY + 4, on_many, code, &err) == 0, "many at once: %s", err.text);
	is_str(code[5], "precondition", "what has changed is refused");
	is_str(get("many/05"), "another", "and stays");
	is_str(code[MANY], "not_found", "what is not there is told apart");
	is_str(code[MANY + 1], "gone", "one may not care what it holds");
	is_str(code[MANY + 2], "gone", "nor whether it is there");
	is_str(code[MANY + 3], "bad_key", "what is no key is refused alone");
	snprintf(code[5], sizeof(code[5]), "gone");
	ok(all_are(code, MANY, "gone"), "the others are deleted");
	struct store_listing l = {0};
	ok(store_sync_list(st, "many/", 1000, &l, &err) == 0 && l.n == 1, "that is what the listing says");
	store_listing_release(&l);
	ok(store_sync_delete_many(st, v, 0, on_many, code, &err) == 0, "none is no trouble");
	store_sync_delete(st, "many/05", NULL, &err);
	for (size_t i = 0; i < MANY; i++)
		store_entry_release(&e[i]);

	for (size_t i = 0; i < NITEMS(odd_keys) && i < MANY; i++) {
		put(odd_keys[i], "x");
		store_sync_head(st, odd_keys[i], &e[i], &err);
		v[i] = (struct store_deletion){odd_keys[i], e[i].etag};
	}
	memset(code, 0, sizeof(code));
	ok(store_sync_delete_many(st, v, NITEMS(odd_keys), on_many, code, &err) == 0 &&
	        all_are(code, NITEMS(odd_keys), "gone"),
	    "odd keys: %s", err.text);
	ok(store_sync_list(st, "odd/", 1000, &l, &err) == 0 && l.n == 0, "all are gone");
	store_listing_release(&l);
	for (size_t i = 0; i < NITEMS(odd_keys); i++)
		store_entry_release(&e[i]);
}

/* Given up, or the store closed, at every turn: nothing is told any more, nothing is left. */
static void on_never(size_t i, const struct err *err, void *arg)
{
	*(int *)arg += 1;
}

static void on_never_done(void *arg)
{
	*(int *)arg += 1000;
}

static void test_delete_many_cancel(void)
{
	static const struct store_delete_cbs cbs = {.on_item = on_never, .on_done = on_never_done};
	struct store_deletion v[] = {{"c/1", "x"}, {"c/2", NULL}, {"c/3", "y"}};
	int told = 0, before, turns = 0;
	bool ended = false;

	for (; !ended && turns < 100; turns++) {
		told = 0;
		struct store_op *op = store_delete_many(st, v, NITEMS(v), &cbs, &told);
		for (int i = 0; i < turns && told < 1000; i++)
			event_base_loop(base, EVLOOP_ONCE);
		ended = told >= 1000;
		before = told;
		if (!ended)
			store_op_cancel(op);
		for (int i = 0; i < 5; i++)
			event_base_loop(base, EVLOOP_NONBLOCK);
		if (told != before)
			ok(false, "told of something after it was cancelled in turn %d", turns);
	}
	ok(ended && told == 1003, "cancelled in each of %d turns", turns);
}

static void test_bad_keys(void)
{
	char long_key[STORE_KEY_MAX + 2];
	const char *const never[] = {"", "bad\xff", long_key};
	const char *const not_paths[] = {
	    "/abs", "a//b", "a/../b", "./a", "a/.", "..", "dir/", ".orch/x", ".orch"};
	struct err err = ERR_INIT;
	struct store_entry e = {0};

	memset(long_key, 'k', sizeof(long_key) - 1);
	long_key[sizeof(long_key) - 1] = '\0';
	for (size_t i = 0; i < NITEMS(never); i++) {
		ok(fails(
		       store_sync_put(st, never[i], "x", 1, NULL, NULL, &err), &err, ERR_PERMANENT, "bad_key"),
		    "put: bad key %zu", i);
		ok(fails(store_sync_head(st, never[i], &e, &err), &err, ERR_PERMANENT, "bad_key"),
		    "head: bad key %zu", i);
		ok(fails(store_sync_delete(st, never[i], NULL, &err), &err, ERR_PERMANENT, "bad_key"),
		    "delete: bad key %zu", i);
		ok(fails(store_sync_copy(st, "x", NULL, never[i], NULL, &err), &err, ERR_PERMANENT, "bad_key"),
		    "copy: bad key %zu", i);
	}
	for (size_t i = 0; !flat_keys && i < NITEMS(not_paths); i++)
		ok(fails(store_sync_put(st, not_paths[i], "x", 1, NULL, NULL, &err), &err, ERR_PERMANENT,
		       "bad_key"),
		    "not a path: %s", not_paths[i]);
	for (size_t i = 0; flat_keys && i + 2 < NITEMS(not_paths); i++)
		ok(put(not_paths[i], not_paths[i]) != NULL && strcmp(get(not_paths[i]), not_paths[i]) == 0,
		    "any key is a key: %s", not_paths[i]);
	for (size_t i = 0; flat_keys && i < NITEMS(not_paths); i++)
		store_sync_delete(st, not_paths[i], NULL, NULL);
}

/* Keys whose order differs between a walk of folders and bytes. */
static void test_list_order(void)
{
	static const char *const keys[] = {"ord/a.b", "ord/a/b", "ord/a0", "ord/a-b/c", "ord/a/b.c/d",
	    "ord/a/b0", "ord/B", "ord/\xc3\xa9/x", "ord/z/1/2/3", "ord/a!", "ord/a/bb/c", "orda", "ord.x"};
	struct store_listing l = {0};
	struct err err = ERR_INIT;
	char *want[NITEMS(keys)], *under[NITEMS(keys)];
	static const char *const prefixes[] = {"ord/", "ord", "ord/a", "ord/a/", "ord/a/b", "ord/a/b.c/d",
	    "ord/a/b.c/d/", "ord/zz", "no", "ord/z/1/2/3", "/", "ord//", "../", ".."};

	for (size_t i = 0; i < NITEMS(keys); i++)
		put(keys[i], "x");
	memcpy(want, keys, sizeof(want));
	qsort(want, NITEMS(want), sizeof(want[0]), by_bytes);
	for (size_t k = 0; k < NITEMS(prefixes); k++) {
		size_t n = 0;

		for (size_t i = 0; i < NITEMS(want); i++)
			if (strncmp(want[i], prefixes[k], strlen(prefixes[k])) == 0)
				under[n++] = want[i];
		bool good = store_sync_list(st, prefixes[k], 1000, &l, &err) == 0 && listing_is(&l, under, n);
		ok(good, "prefix '%s': %zu keys in bytewise order", prefixes[k], n);
		store_listing_release(&l);
	}
	for (size_t i = 0; i < NITEMS(keys); i++)
		store_sync_delete(st, keys[i], NULL, &err);
}

struct pages {
	struct strvec keys;
	size_t pages, largest;
	bool done;
	struct err err;
	struct store_op *op;
	int cancel_at; /* page number; -1: never */
};

static void on_page(const struct store_object *o, size_t n, bool last, const struct err *err, void *arg)
{
	struct pages *p = arg;

	p->pages++;
	p->largest = MAX(p->largest, n);
	for (size_t i = 0; i < n; i++) {
		strvec_push(&p->keys, o[i].key);
		assert(o[i].etag != NULL && o[i].size == 1);
	}
	if (err != NULL)
		p->err = *err;
	p->done = last;
	if (p->cancel_at == (int)p->pages) {
		store_op_cancel(p->op);
		p->done = true;
	}
}

static void list_all(struct pages *p, const char *prefix, const char *after, size_t max)
{
	*p = (struct pages){.cancel_at = p->cancel_at};
	p->op = store_list(st, prefix, after, max, on_page, p);
	ok(!p->done && p->pages == 0, "no callback from inside the call");
	while (!p->done)
		event_base_loop(base, EVLOOP_ONCE);
}

static void test_list_pages(void)
{
	enum { N = 2300 };
	struct pages p = {.cancel_at = -1};
	struct store_put_opts lazy = {.lazy = true};
	struct err err = ERR_INIT;

	for (int i = 0; i < N; i++) {
		char key[40];

		snprintf(key, sizeof(key), "pages/%d/%05d", i % 3, i);
		store_sync_put(st, key, "x", 1, &lazy, NULL, &err);
	}
	ok(store_sync_barrier(st, &err) == 0, "barrier after %d lazy puts", N);
	list_all(&p, "pages/", NULL, 0);
	is_int(p.keys.n, N, "all keys");
	ok(p.largest <= 1000 && p.pages >= 3, "in pages of at most 1000: %zu pages", p.pages);
	bool sorted = true;
	for (size_t i = 1; i < p.keys.n; i++)
		sorted = sorted && strcmp(p.keys.v[i - 1], p.keys.v[i]) < 0;
	ok(sorted, "in order across pages");
	char *middle = xstrdup(p.keys.v[1234]), *next = xstrdup(p.keys.v[1235]);
	strvec_release(&p.keys);
	list_all(&p, "pages/", middle, 0);
	ok(p.keys.n == N - 1235 && strcmp(p.keys.v[0], next) == 0, "start_after a key");
	strvec_release(&p.keys);
	list_all(&p, "pages/", "pages/1", 0);
	ok(p.keys.n == N - 767 && strcmp(p.keys.v[0], "pages/1/00001") == 0, "start_after a folder's name");
	strvec_release(&p.keys);
	list_all(&p, "pages/", "pages/1/", 1500);
	ok(p.keys.n == 1500 && strcmp(p.keys.v[0], "pages/1/00001") == 0, "at most max keys");
	strvec_release(&p.keys);
	list_all(&p, "pages/", "zzz", 0);
	is_int(p.keys.n, 0, "start_after beyond the end");
	list_all(&p, "pages/", "a", 1);
	is_int(p.keys.n, 1, "start_after before the prefix");
	strvec_release(&p.keys);
	p.cancel_at = 2;
	list_all(&p, "pages/", NULL, 0);
	is_int(p.keys.n, 2000, "cancelled in its second page: no third");
	strvec_release(&p.keys);
	struct store_listing l = {0};
	ok(fails(store_sync_list(st, "pages/", N - 1, &l, &err), &err, ERR_BAD_DATA, "limit"),
	    "a limit is an error");
	ok(store_sync_list(st, "pages/", N, &l, &err) == 0 && l.n == N, "exactly the limit is none");
	bool etags = true;
	for (size_t i = 0; i < l.n; i += 100) {
		struct store_entry e = {0};
		etags =
		    etags && store_sync_head(st, l.v[i].key, &e, &err) == 0 && strcmp(e.etag, l.v[i].etag) == 0;
		store_entry_release(&e);
	}
	ok(etags, "ETags of list and head agree");
	store_listing_release(&l);
	free(middle), free(next);
	/* One by one: what comes back is what a consumer of raw pieces does. */
	list_all(&p, "pages/", NULL, 0);
	for (size_t i = 0; i < p.keys.n; i++)
		store_sync_delete(st, p.keys.v[i], NULL, &err);
	strvec_release(&p.keys);
	p.cancel_at = -1;
}

struct reader {
	struct store_op *op;
	struct strbuf got;
	int64_t size;
	bool started, done, failed;
	struct err err;
	enum { READ_ON, PAUSE, CANCEL_START, CANCEL_DATA, CLOSE_STORE } what;
	int starts, pauses;
};

static void on_start(const struct store_object *o, void *arg)
{
	struct reader *r = arg;

	r->size = o->size;
	r->starts++;
	if (r->what == CANCEL_START) {
		store_op_cancel(r->op);
		r->done = true;
	}
}

static void on_resume(evutil_socket_t fd, short what, void *arg)
{
	struct reader *r = arg;

	store_op_pause(r->op, false);
}

static void on_data(const void *p, size_t n, void *arg)
{
	static const struct timeval soon = {.tv_usec = 3000};
	struct reader *r = arg;

	strbuf_add(&r->got, p, n);
	if (r->what == PAUSE) {
		r->pauses++;
		store_op_pause(r->op, true);
		event_base_once(base, -1, EV_TIMEOUT, on_resume, r, &soon);
	} else if (r->what == CANCEL_DATA) {
		store_op_cancel(r->op);
		r->done = true;
	} else if (r->what == CLOSE_STORE) {
		store_close(st);
		st = NULL;
		r->done = true;
	}
}

static void on_done(const struct err *err, void *arg)
{
	struct reader *r = arg;

	r->done = true;
	r->failed = err != NULL;
	if (err != NULL)
		r->err = *err;
}

static void read_object(struct reader *r, const char *key, int64_t offset)
{
	static const struct store_get_cbs cbs = {.on_start = on_start, .on_data = on_data, .on_done = on_done};

	strbuf_init(&r->got, 1 << 24);
	r->op = store_get(st, key, NULL, offset, &cbs, r);
	while (!r->done)
		event_base_loop(base, EVLOOP_ONCE);
	for (int i = 0; i < 3; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
}

static void test_get_flow(void)
{
	enum { N = 2000000 };
	char *p = pattern_bytes(N, 99);
	struct err err = ERR_INIT;

	store_sync_put(st, "flow/big", p, N, NULL, NULL, &err);
	struct reader a = {.what = PAUSE};
	read_object(&a, "flow/big", 0);
	ok(!a.failed && a.got.len == N && memcmp(a.got.buf, p, N) == 0, "paused %d times, all bytes", a.pauses);
	ok(a.pauses >= 2 && a.starts == 1 && a.size == N, "one start with the size");
	strbuf_release(&a.got);
	struct reader b = {0};
	read_object(&b, "flow/big", 1234567);
	ok(!b.failed && b.got.len == N - 1234567 && memcmp(b.got.buf, p + 1234567, b.got.len) == 0 &&
	        b.size == N,
	    "from an offset; the size is the object's");
	strbuf_release(&b.got);
	struct reader c = {0};
	read_object(&c, "flow/big", N);
	ok(!c.failed && c.got.len == 0 && c.starts == 1, "from its end: nothing, no error");
	struct reader d = {0};
	read_object(&d, "flow/big", N + 1);
	ok(d.failed && d.err.class == ERR_PERMANENT && err_is(&d.err, "bad_range"), "from beyond it: an error");
	struct reader e = {.what = CANCEL_START};
	read_object(&e, "flow/big", 0);
	ok(e.got.len == 0 && !e.failed, "cancelled in on_start: no data");
	struct reader f = {.what = CANCEL_DATA};
	read_object(&f, "flow/big", 0);
	ok(f.got.len > 0 && f.got.len < N, "cancelled in on_data: no more data");
	strbuf_release(&f.got);
	free(p);
}

struct counter {
	int calls, errors;
};

static void on_info(const struct store_object *o, const struct err *err, void *arg)
{
	struct counter *c = arg;

	c->calls++;
	c->errors += err != NULL;
	if (err != NULL)
		diag("%s", err->text);
}

static void test_parallel(void)
{
	enum { N = 40 };
	struct store_op *op[N];
	struct counter c = {0};
	char key[40], *p = pattern_bytes(300000, 5);

	for (int i = 0; i < N; i++) {
		snprintf(key, sizeof(key), "par/%d/x", i % 7);
		op[i] = store_put(st, key, p, (size_t)(300000 - i), NULL, on_info, &c);
	}
	free(p); /* the bytes were copied */
	is_int(c.calls, 0, "no callback from inside the calls");
	for (int i = 0; i < N; i += 4)
		store_op_cancel(op[i]);
	while (c.calls < N - N / 4)
		event_base_loop(base, EVLOOP_ONCE);
	for (int i = 0; i < 5; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
	ok(c.calls == N - N / 4 && c.errors == 0, "%d of %d puts at once end, the cancelled ones in silence",
	    c.calls, N);
}

/* Of many creators of one key exactly one wins. */
static void test_create_race(void)
{
	enum { N = 8 };
	struct store_put_opts o = {.if_absent = true};
	struct counter c = {0};
	int won = 0;

	if (!(st->caps & STORE_CAP_PUT_IF_ABSENT)) {
		tap_skip("this store cannot create only");
		return;
	}
	for (int i = 0; i < N; i++)
		store_put(st, "race/lock", &"abcdefgh"[i], 1, &o, on_info, &c);
	while (c.calls < N)
		event_base_loop(base, EVLOOP_ONCE);
	won = c.calls - c.errors;
	is_int(won, 1, "one creator of eight wins");
}

static void on_any_page(const struct store_object *o, size_t n, bool last, const struct err *err, void *arg)
{
}

static void test_close(void)
{
	struct reader r = {.what = CLOSE_STORE};
	struct counter c = {0};

	store_put(st, "close/a", "x", 1, NULL, on_info, &c);
	store_list(st, "", NULL, 0, on_any_page, NULL);
	store_head(st, "flow/big", on_info, &c);
	read_object(&r, "flow/big", 0);
	ok(st == NULL && c.errors == 0, "closing inside a callback cancels the rest");
	strbuf_release(&r.got);
}

static void on_done_quiet(const struct err *err, void *arg)
{
}

static void test_location(void)
{
	ok(strstr(store_location(st), "://") != NULL, "location %s", store_location(st));
	store_op_cancel(store_barrier(st, on_done_quiet, NULL));
	store_op_cancel(NULL);
}

static struct secret_ref literal(const char *env)
{
	return (struct secret_ref){.source = SECRET_ENV, .name = (char *)env};
}

static void open_s3(const char *bucket)
{
	static struct s3_conf conf;
	struct err err = ERR_INIT;

	conf = (struct s3_conf){.bucket = (char *)bucket,
	    .endpoint = getenv("S3_TEST_ENDPOINT"),
	    .region = (char *)"us-east-1",
	    .ca_file = getenv("S3_TEST_CA"),
	    .access_key = literal("S3_TEST_ACCESS_KEY"),
	    .secret_key = literal("S3_TEST_SECRET_KEY"),
	    .attempts = 5,
	    .connect_timeout = 10000,
	    .timeout = 60000,
	    /* Low enough that the larger objects of the suite go up in parts. */
	    .multipart_threshold = 6 << 20,
	    .part_size = 5 << 20};
	flat_keys = true;
	st = store_open(store_type_find("s3"), "data", &conf, base, &err);
	if (st == NULL)
		tap_bail("%s", err.text);
}

static void open_dir(const char *root)
{
	static struct store_dir_conf conf;
	struct err err = ERR_INIT;

	conf = (struct store_dir_conf){.path = (char *)root, .create = true};
	st = store_open(store_type_find("dir"), "data", &conf, base, &err);
	if (st == NULL)
		tap_bail("%s", err.text);
}

/* test_store                 a fresh folder
 * test_store s3 BUCKET       the bucket at S3_TEST_ENDPOINT, which must exist and be empty */
int main(int argc, char **argv)
{
	char *root = fs_join(test_dir(), "store");

	base = event_base_new();
	if (argc > 2 && strcmp(argv[1], "s3") == 0)
		open_s3(argv[2]);
	else
		open_dir(root);
	tap_run(test_location);
	tap_run(test_roundtrip);
	tap_run(test_files);
	tap_run(test_stop);
	tap_run(test_missing);
	tap_run(test_conditions);
	tap_run(test_copy);
	tap_run(test_odd_keys);
	tap_run(test_delete_many);
	tap_run(test_delete_many_cancel);
	tap_run(test_bad_keys);
	tap_run(test_list_order);
	tap_run(test_list_pages);
	tap_run(test_get_flow);
	tap_run(test_parallel);
	tap_run(test_create_race);
	tap_run(test_close);
	event_base_free(base);
	free(root);
	return tap_done();
}
