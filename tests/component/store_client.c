/*
 * A store from the command line, for tests written in other languages: one call, its result as one line of JSON.
 *
 *     store_client VERB [ARGUMENT...]       list PREFIX | head KEY | get KEY [ETAG] | put KEY FILE | create KEY FILE |
 *                                           replace KEY FILE ETAG | copy FROM TO [ETAG] | delete KEY [ETAG] |
 *                                           delete-many FILE ([[KEY, ETAG or null], ...])
 *
 * The store is named by the environment: S3_TEST_ENDPOINT, S3_TEST_BUCKET and the other S3_TEST_ variables below;
 * credentials come from where they always come from.  TERM ends it as it ends a step.  Without arguments it is a test that has nothing to do.
 */
#include "config.h"

#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/s3.h"
#include "store/sync.h"

#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct store *st;
static json_t *result;

static int64_t number(const char *name, int64_t def)
{
	const char *s = getenv(name);

	return s ? strtoll(s, NULL, 10) : def;
}

static void add_entry(json_t *to, const struct store_entry *e)
{
	json_object_set_new(to, "key", json_string(e->key));
	json_object_set_new(to, "size", json_integer(e->size));
	json_object_set_new(to, "etag", json_string(e->etag));
	json_object_set_new(to, "sha256", json_string(e->sha256));
}

static int do_list(char **arg, struct err *err)
{
	struct store_listing l = {0};
	json_t *keys = json_array();

	json_object_set_new(result, "keys", keys);
	if (store_sync_list(st, arg[0], 1000000, &l, err) == -1)
		return -1;
	for (size_t i = 0; i < l.n; i++) {
		json_t *one = json_object();
		add_entry(one, &l.v[i]);
		json_array_append_new(keys, one);
	}
	store_listing_release(&l);
	return 0;
}

static int entry_done(int rc, struct store_entry *e)
{
	if (rc == 0)
		add_entry(result, e);
	store_entry_release(e);
	return rc;
}

static int do_head(char **arg, struct err *err)
{
	struct store_entry e = {0};

	return entry_done(store_sync_head(st, arg[0], &e, err), &e);
}

static int do_get(char **arg, struct err *err)
{
	struct strbuf sb = STRBUF_INIT(1 << 28);
	struct store_entry e = {0};
	char sum[SHA256_HEX];
	int rc = store_sync_get(st, arg[0], arg[1], &sb, &e, err);

	sha256_hex(sb.buf, sb.len, sum);
	json_object_set_new(result, "content_sha256", json_string(sum));
	json_object_set_new(result, "bytes", json_integer((json_int_t)sb.len));
	strbuf_release(&sb);
	return entry_done(rc, &e);
}

static int put(char **arg, const struct store_put_opts *o, struct err *err)
{
	struct store_entry e = {0};

	return entry_done(store_sync_put_file(st, arg[0], arg[1], o, &e, err), &e);
}

static int do_put(char **arg, struct err *err)
{
	return put(arg, NULL, err);
}

static int do_create(char **arg, struct err *err)
{
	return put(arg, &(struct store_put_opts){.if_absent = true}, err);
}

static int do_replace(char **arg, struct err *err)
{
	return put(arg, &(struct store_put_opts){.if_match = arg[2]}, err);
}

static int do_copy(char **arg, struct err *err)
{
	struct store_entry e = {0};

	return entry_done(store_sync_copy(st, arg[0], arg[2], arg[1], &e, err), &e);
}

static int do_delete(char **arg, struct err *err)
{
	return store_sync_delete(st, arg[0], arg[1], err);
}

static void on_item(size_t i, const struct err *err, void *arg)
{
	json_array_set_new(arg, i, json_string(err == NULL ? "" : err->code));
}

/* "codes": what became of each, "" for deleted. */
static int do_delete_many(char **arg, struct err *err)
{
	json_t *list = json_load_file(arg[0], 0, NULL), *codes = json_array(), *one;
	struct store_deletion *v = xcalloc(json_array_size(list) + 1, sizeof(*v));
	size_t i;

	json_array_foreach(list, i, one)
	{
		v[i].key = json_string_value(json_array_get(one, 0));
		v[i].if_match = json_string_value(json_array_get(one, 1));
		json_array_append_new(codes, json_string("?"));
	}
	int rc = store_sync_delete_many(st, v, i, on_item, codes, err);
	json_object_set_new(result, "codes", codes);
	json_decref(list);
	free(v);
	return rc;
}

static const struct {
	const char *verb;
	int least;
	int (*fn)(char **arg, struct err *err);
} verbs[] = {
    {"list", 1, do_list},
    {"head", 1, do_head},
    {"get", 1, do_get},
    {"put", 2, do_put},
    {"create", 2, do_create},
    {"replace", 3, do_replace},
    {"copy", 2, do_copy},
    {"delete", 1, do_delete},
    {"delete-many", 1, do_delete_many},
};

static volatile sig_atomic_t term_received;

static void on_term(int sig)
{
	term_received = 1;
}

static bool told_to_end(void *arg)
{
	return term_received;
}

/* A reference to the environment variable whose name stands in this one. */
static struct secret_ref reference(const char *variable)
{
	char *name = getenv(variable);

	return (struct secret_ref){name != NULL ? SECRET_ENV : SECRET_NONE, name};
}

int main(int argc, char **argv)
{
	struct event_base *base = event_base_new();
	struct s3_conf conf = {.bucket = getenv("S3_TEST_BUCKET"),
	    .endpoint = getenv("S3_TEST_ENDPOINT"),
	    .region = getenv("S3_TEST_REGION"),
	    .path_style = getenv("S3_TEST_PATH_STYLE"),
	    .ca_file = getenv("S3_TEST_CA"),
	    .profile = getenv("S3_TEST_PROFILE"),
	    .access_key = reference("S3_TEST_ACCESS_KEY_ENV"),
	    .secret_key = reference("S3_TEST_SECRET_KEY_ENV"),
	    .anonymous = number("S3_TEST_ANONYMOUS", 0) != 0,
	    .attempts = number("S3_TEST_ATTEMPTS", 3),
	    .connect_timeout = number("S3_TEST_CONNECT_TIMEOUT", 5000),
	    .timeout = number("S3_TEST_TIMEOUT", 60000),
	    .multipart_threshold = number("S3_TEST_MULTIPART", 5 << 20),
	    .part_size = 5 << 20,
	    .copy_limit = number("S3_TEST_COPY_LIMIT", 0),
	    .sweep_age = number("S3_TEST_SWEEP_AGE", 0)};
	struct err err = ERR_INIT;
	char *arg[4] = {0};
	int rc = -1;

	if (argc < 2) {
		puts("1..0 # SKIP a tool of other tests");
		return 0;
	}
	log_open(LOG_DEBUG_);
	signal(SIGTERM, on_term);
	store_sync_stop_when(told_to_end, NULL);
	result = json_object();
	for (int i = 2; i < argc && i < 5; i++)
		arg[i - 2] = argv[i];
	st = store_open(&store_s3, "t", &conf, base, &err);
	if (st != NULL && number("S3_TEST_TEND", 0) != 0)
		store_tend(st, true);
	for (size_t i = 0; st != NULL && i < NITEMS(verbs); i++)
		if (strcmp(argv[1], verbs[i].verb) == 0 && argc - 2 >= verbs[i].least)
			rc = verbs[i].fn(arg, &err);
	json_object_set_new(result, "ok", json_boolean(rc == 0));
	if (rc == -1) {
		json_object_set_new(result, "class", json_string(err_class_name(err.class)));
		json_object_set_new(result, "code", json_string(err.code));
		json_object_set_new(result, "text", json_text_new(err.text));
	}
	char *text = json_text(result);
	puts(text);
	free(text);
	json_decref(result);
	store_close(st);
	event_base_free(base);
	return rc == 0 ? 0 : 1;
}
