/* Option tables: grammars, limits, binding with every problem at once, secrets, and the way to JSON and back. */
#include "config.h"

#include "tests/tap.h"

#include "conf/diag.h"
#include "conf/node.h"
#include "conf/opt.h"
#include "conf/opt_text.h"
#include "conf/secret.h"

#include <sys/stat.h>

struct all {
	char *string, *choice, *pattern, *template, *key, *prefix, *path, *date, *store, *database;
	int64_t number, size;
	tm_ms span;
	double ratio;
	bool flag;
	struct strvec list, modes;
	struct strmap map;
	struct secret_ref secret, token;
	char *templated;
};

#define ROW(n, t, f) .name = (n), .type = (t), .off = offsetof(struct all, f), .help = "one of each"

static const struct opt all_opts[] = {
    {ROW("string", OPT_STRING, string), .def = "plain", .max = "10"},
    {ROW("choice", OPT_CHOICE, choice), .choices = "count indices bytes", .def = "bytes"},
    {ROW("pattern", OPT_PATTERN, pattern)},
    {ROW("template", OPT_TEMPLATE, template)},
    {ROW("key", OPT_KEY, key)},
    {ROW("prefix", OPT_PREFIX, prefix)},
    {ROW("path", OPT_PATH, path), .def = "sub/dir"},
    {ROW("date", OPT_DATE, date), .min = "19900101"},
    {ROW("store", OPT_STORE, store)},
    {ROW("database", OPT_DATABASE, database)},
    {ROW("number", OPT_INT, number), .def = "7", .min = "-1", .max = "100"},
    {ROW("size", OPT_SIZE, size), .def = "1MiB", .max = "1GiB"},
    {ROW("span", OPT_DURATION, span), .def = "1h", .min = "10s", .max = "7d"},
    {ROW("ratio", OPT_DOUBLE, ratio), .def = "0.5", .min = "0", .max = "1"},
    {ROW("flag", OPT_BOOL, flag), .def = "yes"},
    {ROW("list", OPT_STRLIST, list), .max = "3"},
    {ROW("modes", OPT_STRLIST, modes), .choices = "count indices bytes", .def = "count bytes"},
    {ROW("map", OPT_STRMAP, map)},
    {ROW("secret", OPT_SECRET, secret)},
    {ROW("token", OPT_SECRET, token), .flags = OPT_LITERAL_OK, .def = "env:ORCH_T_TOKEN"},
    {ROW("templated", OPT_KEY, templated), .flags = OPT_TEMPLATED},
    {ROW("old", OPT_INT, number), .flags = OPT_IGNORED},
    OPT_END,
};

static char *printed(const struct diags *ds)
{
	struct strbuf sb = STRBUF_INIT(65536);

	diags_print(ds, &sb);
	return strbuf_detach(&sb);
}

static int bind(const char *yaml, struct all *conf, struct diags *ds)
{
	struct node *n = node_parse_yaml("/etc/orch/t.yaml", yaml, strlen(yaml), ds);
	int rc = n == NULL ? -1 : opt_bind(all_opts, n, "thing 'x'", conf, ds);

	node_free(n);
	return rc;
}

static void test_grammar(void)
{
	static const struct {
		enum opt_type type;
		const char *text;
		int64_t want; /* INT64_MIN + 1: refused */
	} rows[] = {
#define NO (INT64_MIN + 1)
	    {OPT_INT, "0", 0},
	    {OPT_INT, "-5", -5},
	    {OPT_INT, "012", 12},
	    {OPT_INT, "9223372036854775807", INT64_MAX},
	    {OPT_INT, "-9223372036854775808", INT64_MIN},
	    {OPT_INT, "9223372036854775808", NO},
	    {OPT_INT, "", NO},
	    {OPT_INT, "+5", NO},
	    {OPT_INT, " 5", NO},
	    {OPT_INT, "5 ", NO},
	    {OPT_INT, "0x10", NO},
	    {OPT_INT, "1_000", NO},
	    {OPT_INT, "\xd9\xa3", NO},
	    {OPT_INT, "1e3", NO},
	    {OPT_INT, "1.0", NO},
	    {OPT_INT, "-", NO},
	    {OPT_INT, "--1", NO},
	    {OPT_SIZE, "0B", 0},
	    {OPT_SIZE, "64MiB", 64 << 20},
	    {OPT_SIZE, "1kB", 1000},
	    {OPT_SIZE, "2TB", 2000000000000},
	    {OPT_SIZE, "10GiB", 10LL << 30},
	    {OPT_SIZE, "3TiB", 3LL << 40},
	    {OPT_SIZE, "10 GB", NO},
	    {OPT_SIZE, "1.5G", NO},
	    {OPT_SIZE, "-1K", NO},
	    {OPT_SIZE, "99999999999T", NO},
	    {OPT_SIZE, "99999999999TB", NO},
	    {OPT_SIZE, "10", NO},
	    {OPT_SIZE, "10G", NO},
	    {OPT_SIZE, "MiB", NO},
	    {OPT_SIZE, "1MiB1", NO},
	    {OPT_SIZE, "1mib", NO},
	    {OPT_SIZE, "99999999999999999999B", NO},
	    {OPT_SIZE, "", NO},
	    {OPT_DURATION, "0s", 0},
	    {OPT_DURATION, "90s", 90000},
	    {OPT_DURATION, "1h30m", 5400000},
	    {OPT_DURATION, "15min", 900000},
	    {OPT_DURATION, "250ms", 250},
	    {OPT_DURATION, "2d", 172800000},
	    {OPT_DURATION, "1d2h3m4s5ms", 93784005},
	    {OPT_DURATION, "1s500ms", 1500},
	    {OPT_DURATION, "0", NO},
	    {OPT_DURATION, "5", NO},
	    {OPT_DURATION, "1.5h", NO},
	    {OPT_DURATION, "5 fortnights", NO},
	    {OPT_DURATION, "-1s", NO},
	    {OPT_DURATION, "30m1h", NO},
	    {OPT_DURATION, "1h1h", NO},
	    {OPT_DURATION, "1m1min", NO},
	    {OPT_DURATION, "1h 30m", NO},
	    {OPT_DURATION, "1000000000000s", NO},
	    {OPT_DURATION, "2147483648", NO},
	    {OPT_DURATION, "9223372036854775808s", NO},
	    {OPT_DURATION, "9223372036854775807d", NO},
	    {OPT_DURATION, "3650d", 315360000000},
	    {OPT_DURATION, "3651d", NO},
	    {OPT_DURATION, "h", NO},
	    {OPT_DURATION, "", NO},
	    {OPT_DURATION, "1h30", NO},
	};

	for (size_t i = 0; i < NITEMS(rows); i++) {
		struct opt opt = {.name = "x", .type = rows[i].type, .off = 0, .help = "x"};
		struct err err = ERR_INIT;
		int64_t v = 42;
		int rc = opt_parse_text(&opt, rows[i].text, &v, &err);

		if (rows[i].want == NO)
			ok(rc == -1 && v == 42 && err.class == ERR_CONFIG, "'%s': %s", rows[i].text, err.text);
		else
			is_int(v, rows[i].want, rows[i].text);
	}
	for (int64_t v = 0; v < 400000000; v += 1 + v / 3) {
		struct strbuf sb = STRBUF_INIT(100);
		int64_t back = -1;

		opt_format_duration(v, &sb);
		opt_parse_duration(sb.buf, &back);
		if (back != v)
			ok(false, "%s reads back as %" PRId64, sb.buf, back);
		strbuf_release(&sb);
	}
}

static void test_limits(void)
{
	struct opt opt = {.name = "x", .type = OPT_INT, .min = "1", .max = "65535"};
	struct err err = ERR_INIT;
	int64_t v;

	ok(opt_parse_text(&opt, "1", &v, &err) == 0 && opt_parse_text(&opt, "65535", &v, &err) == 0,
	    "limits are inclusive");
	ok(opt_parse_text(&opt, "0", &v, &err) == -1 &&
	        strcmp(err.text, "'0' is out of range; allowed are 1 to 65535") == 0,
	    "%s", err.text);
	ok(opt_parse_text(&opt, "65536", &v, &err) == -1 && opt_parse_text(&opt, "-1", &v, &err) == -1,
	    "on both sides");
	opt = (struct opt){.name = "x", .type = OPT_DURATION, .min = "10s", .max = "7d"};
	ok(opt_parse_text(&opt, "9999ms", &v, &err) == -1 && strstr(err.text, "10s to 7d") != NULL, "%s",
	    err.text);
}

static void test_defaults(void)
{
	struct diags ds = DIAGS_INIT;
	struct all c = {0};

	is_int(bind("{}", &c, &ds), 0, "an empty mapping binds");
	is_str(c.string, "plain", "a text's default");
	is_str(c.path, "/etc/orch/sub/dir", "a path starts from the folder of the file");
	ok(c.number == 7 && c.size == 1 << 20 && c.span == 3600000 && c.ratio == 0.5 && c.flag, "numbers");
	ok(c.modes.n == 2 && strcmp(c.modes.v[1], "bytes") == 0, "a list's default is split at blanks");
	ok(c.token.source == SECRET_ENV && strcmp(c.token.name, "ORCH_T_TOKEN") == 0,
	    "a secret's default names its source");
	ok(c.key == NULL && c.list.n == 0 && c.map.keys.n == 0 && c.secret.source == SECRET_NONE,
	    "the rest is absent");
	opt_release(all_opts, &c);
	ok(c.string == NULL && c.modes.n == 0 && c.token.name == NULL, "release leaves nothing");
	is_int(opt_bind(all_opts, NULL, "nothing", &c, &ds), 0, "no mapping is an empty one");
	opt_release(all_opts, &c);
	is_int(ds.n, 0, "without a word");
}

#define FULL                                                                                                  \
	"string: no\nchoice: count\npattern: '^a(?<n>\\d+)$'\ntemplate: 'x-{n}'\nkey: a/b.c\nprefix: "        \
	"raw/\npath: ./q//r\n"                                                                                \
	"date: 20250429\nstore: data\ndatabase: results\nnumber: -1\nsize: 2kB\nspan: 1d1ms\nratio: "         \
	"0.1\nflag: off\n"                                                                                    \
	"list: [a, '', \"two\\nlines\"]\nmodes: indices\nmap: {z: 1, a: '2'}\nsecret: {env: ORCH_T_SECRET}\n" \
	"token: {file: tok}\ntemplated: 'a/{x}/b'\n"

static void check_full(const struct all *c, const char *when)
{
	ok(strcmp(c->string, "no") == 0 && strcmp(c->choice, "count") == 0 && strcmp(c->date, "20250429") == 0,
	    "texts %s", when);
	is_str(c->path, "/etc/orch/q/r", when);
	ok(c->number == -1 && c->size == 2000 && c->span == 86400001 && c->ratio == 0.1 && !c->flag,
	    "numbers %s", when);
	ok(c->list.n == 3 && strcmp(c->list.v[2], "two\nlines") == 0 && c->modes.n == 1, "lists %s", when);
	ok(c->map.keys.n == 2 && strcmp(c->map.keys.v[0], "z") == 0 &&
	        strcmp(strmap_get(&c->map, "a"), "2") == 0,
	    "a mapping in its order %s", when);
	ok(c->secret.source == SECRET_ENV && c->token.source == SECRET_FILE &&
	        strcmp(c->token.name, "/etc/orch/tok") == 0,
	    "secrets %s", when);
	is_str(c->templated, "a/{x}/b", when);
}

static void test_round_trip(void)
{
	struct diags ds = DIAGS_INIT;
	struct all a = {0}, b = {0};

	is_int(bind(FULL, &a, &ds), 0, "a value for every type binds");
	check_full(&a, "as written");
	json_t *j = opt_to_json(all_opts, &a);
	char *first = json_text(j);
	struct node *n = node_from_json(j, "context.json");
	is_int(opt_bind(all_opts, n, "context", &b, &ds), 0, "its JSON binds");
	check_full(&b, "from JSON");
	json_t *k = opt_to_json(all_opts, &b);
	char *second = json_text(k);
	is_str(second, first, "and gives the same JSON");
	ok(strstr(first, "\"secret\":{\"env\":\"ORCH_T_SECRET\"}") != NULL, "secrets stay references");
	ok(json_object_get(j, "old") == NULL, "ignored rows have no value");
	free(first);
	free(second);
	json_decref(j);
	json_decref(k);
	node_free(n);
	opt_release(all_opts, &a);
	opt_release(all_opts, &b);
	if (!ok(ds.n == 0, "no complaints"))
		puts(printed(&ds));
}

/* One bad member each: the class and words of the one message. */
static const struct {
	const char *yaml, *class, *words;
} bad[] = {
    {"strin: x", "unknown", "unknown key 'strin' in thing 'x'; did you mean 'string'?"},
    {"wholly_other: x", "unknown", "known are string, choice"},
    {"string: 12345678901", "value", "11 bytes, at most 10"},
    {"string: \"a\\tb\"", "value", "control character (0x09)"},
    {"string:", "missing", "has no value"},
    {"string: ~", "missing", "has no value"},
    {"string: null", "missing", "has no value"},
    {"string: [a]", "type", "must be a text, not a list"},
    {"string: {a: b}", "type", "not a mapping"},
    {"template: {site}", "type", "put templates in quotes"},
    {"choice: cuont", "value", "not one of count, indices, bytes; did you mean 'count'?"},
    {"choice: xyz", "value", "not one of count, indices, bytes"},
    {"pattern: '(a'", "value", "missing closing parenthesis"},
    {"template: 'a{b'", "value", "closing brace"},
    {"template: 'a}b'", "value", "closing brace without"},
    {"key: /a", "value", "relative"},
    {"key: a//b", "value", "empty component"},
    {"key: a/../b", "value", "'..'"},
    {"key: ../../other", "value", "'..'"},
    {"key: ./a", "value", "'.'"},
    {"key: a/", "value", "trailing"},
    {"key: ''", "value", "empty"},
    {"prefix: a/..", "value", "'..'"},
    {"prefix: /", "value", "relative"},
    {"path: ''", "value", "empty"},
    {"date: 2025-04-29", "value", "YYYYMMDD"},
    {"date: 20250230", "value", "not a real date"},
    {"date: 19891231", "value", "19900101"},
    {"store: ''", "value", "empty"},
    {"number: 101", "value", "-1 to 100"},
    {"size: 2GiB", "value", "0B to 1GiB"},
    {"span: 8d", "value", "10s to 7d"},
    {"ratio: 1.01", "value", "0 to 1"},
    {"ratio: 1e-3", "value", "decimal number"},
    {"ratio: nan", "value", "decimal number"},
    {"flag: True", "value", "true or false"},
    {"flag: 1", "value", "true or false"},
    {"list: [a, b, c, d]", "value", "4 items, at most 3"},
    {"list: [a, [b]]", "type", "list of texts"},
    {"list: {a: b}", "type", "list of texts"},
    {"list: [a, ~]", "missing", "no value"},
    {"modes: [count, byte]", "value", "did you mean 'bytes'"},
    {"map: [a]", "type", "mapping of texts"},
    {"map: {a: [b]}", "type", "mapping of texts"},
    {"map: {a: }", "missing", "no value"},
    {"map: {'': x}", "value", "a name must not be empty"},
    {"map: {a: \"b\\nc\"}", "value", "control character (0x0A)"},
    {"secret: hunter2", "value", "must not stand in the file"},
    {"secret: {env: A, file: b}", "value", "exactly one source"},
    {"secret: {vault: x}", "value", "exactly one source"},
    {"secret: {env: [A]}", "value", "exactly one source"},
    {"secret: {env: 'A B'}", "value", "name of an environment variable"},
    {"secret: {credential: ../x}", "value", "name of a credential"},
    {"secret: [a]", "type", "exactly one source"},
    {"templated: 'a/../{x}'", "value", "'..'"},
    {"templated: '{x'", "value", "closing brace"},
    {"templated: '/{x}'", "value", "relative"},
    {"old: nonsense", "value", "decimal digits"},
};

static void test_bad(void)
{
	for (size_t i = 0; i < NITEMS(bad); i++) {
		struct diags ds = DIAGS_INIT;
		struct all c = {0};
		int rc = bind(bad[i].yaml, &c, &ds);
		const struct diag *d = NULL;

		for (size_t k = 0; k < ds.n && d == NULL; k++)
			if (ds.v[k].level == DIAG_ERROR)
				d = &ds.v[k];
		ok(rc == -1 && ds.errors == 1 && d != NULL && strcmp(d->class, bad[i].class) == 0 &&
		        strstr(d->text, bad[i].words) != NULL && d->mark.line == 1,
		    "%s -> %s", bad[i].yaml, d != NULL ? d->text : "accepted");
		ok(d == NULL || strstr(d->text, "hunter2") == NULL, "no secret is told");
		opt_release(all_opts, &c);
		diags_release(&ds);
	}
}

static void test_all_at_once(void)
{
	static const struct opt opts[] = {
	    {ROW("string", OPT_STRING, string), .flags = OPT_REQUIRED},
	    {ROW("key", OPT_KEY, key), .flags = OPT_REQUIRED},
	    {ROW("list", OPT_STRLIST, list), .flags = OPT_REQUIRED},
	    {ROW("number", OPT_INT, number)},
	    {ROW("old", OPT_INT, number), .flags = OPT_IGNORED},
	    OPT_END,
	};
	static const char yaml[] = "string: ''\nnumbr: 1\nnumber: x\nold: 5\nlist: []\n";
	struct diags ds = DIAGS_INIT;
	struct all c = {0};
	struct node *n = node_parse_yaml("a.yaml", yaml, strlen(yaml), &ds);

	is_int(opt_bind(opts, n, "asset 'a'", &c, &ds), -1, "refused");
	char *text = printed(&ds);
	is_str(text,
	    "a.yaml:1:1: error: 'key' is missing in asset 'a': one of each\n"
	    "a.yaml:1:9: error: 'string' in asset 'a': must not be empty\n"
	    "a.yaml:2:1: error: unknown key 'numbr' in asset 'a'; did you mean 'number'?\n"
	    "a.yaml:3:9: error: 'number' in asset 'a': 'x' is not a whole number in decimal digits\n"
	    "a.yaml:4:1: note: 'old' in asset 'a' has no effect any more\n"
	    "a.yaml:5:7: error: 'list' in asset 'a': must not be empty\n",
	    "with everything that is wrong");
	ok(c.number == 0, "an ignored value is not kept");
	free(text);
	node_free(n);
	opt_release(opts, &c);
	diags_release(&ds);
}

/* What comes from a command line or a default, not through a file. */
static void test_texts(void)
{
	static char longest[5000];
	static const struct {
		enum opt_type type;
		const char *text, *words; /* words NULL: accepted */
		const char *min;
		unsigned flags;
	} rows[] = {
	    {OPT_STRING, "caf\xe9", "not valid UTF-8"},
	    {OPT_STRING, "a\nb", "control character (0x0A)"},
	    {OPT_STRING, "ab", "at least 3 are needed", "3"},
	    {OPT_KEY, longest, "longer than 1024 bytes"},
	    {OPT_KEY, "a\x01", "control character (0x01)"},
	    {OPT_PATH, longest, "a path of more than"},
	    {OPT_STRMAP, "a=b", "cannot be given as one text"},
	    {OPT_STRLIST, "a b", "at least 3 are needed", "3"},
	    {OPT_STRLIST, "a \x01", "control character"},
	    {OPT_STRLIST, "a {b", "no closing brace", NULL, OPT_TEMPLATED},
	    {OPT_STRLIST, " a  b ", NULL},
	    {OPT_SECRET, "hunter2", "env:NAME, file:PATH or credential:NAME"},
	    {OPT_SECRET, "vault:x", "env:NAME, file:PATH or credential:NAME"},
	    {OPT_SECRET, "env:A B", "name of an environment variable"},
	    {OPT_SECRET, "credential:..", "name of a credential"},
	    {OPT_SECRET, "file:", "path of a secret's file is empty"},
	    {OPT_SECRET, "credential:db", NULL},
	    {OPT_STORE, "", "must not be empty"},
	    {OPT_INT, "\x1b[31m", "control character (0x1B)"},
	    {OPT_DATE, "2025\n", "control character (0x0A)"},
	    {OPT_PATTERN, "a\x07", "control character (0x07)"},
	    {OPT_INT, "5", "has limits that are not a whole number", "x"},
	};

	memset(longest, 'x', sizeof(longest) - 1);
	for (size_t i = 0; i < NITEMS(rows); i++) {
		struct opt opt[] = {
		    {.name = "x", .type = rows[i].type, .min = rows[i].min, .flags = rows[i].flags}, OPT_END};
		struct err err = ERR_INIT;
		struct all value = {0};
		int rc = opt_parse_text(&opt[0], rows[i].text, &value, &err);

		ok(rows[i].words == NULL ? rc == 0 : rc == -1 && strstr(err.text, rows[i].words) != NULL,
		    "text %zu: %s", i, err.text);
		ok(strstr(err.text, "hunter2") == NULL && strpbrk(err.text, "\n\x1b\x07") == NULL,
		    "no secret is told, and nothing raw");
		opt_release(opt, &value);
	}
}

static void test_some(void)
{
	static const char yaml[] = "string: mine\nsomebody_elses: [x]\n";
	struct diags ds = DIAGS_INIT;
	struct all c = {0};
	struct node *n = node_parse_yaml("run.yaml", yaml, strlen(yaml), &ds);

	ok(opt_bind_some(all_opts, n, "config", &c, &ds) == 0 && ds.n == 0,
	    "members of others are passed over");
	is_str(c.string, "mine", "and ours are bound");
	opt_release(all_opts, &c);
	ok(opt_bind(all_opts, n, "config", &c, &ds) == -1, "where all must be ours they are not");
	opt_release(all_opts, &c);
	node_free(n);
	diags_release(&ds);
}

static void test_paths(void)
{
	static const struct {
		const char *dir, *path, *want;
	} rows[] = {
	    {"/a", "b", "/a/b"},
	    {"/a", "./b//c/./d/", "/a/b/c/d"},
	    {"/a", "/b", "/b"},
	    {"/a", ".", "/a"},
	    {"/", "b", "/b"},
	    {"/", "/", "/"},
	    {"/a/b", "../c", "/a/b/../c"},
	};

	for (size_t i = 0; i < NITEMS(rows); i++) {
		char *got = opt_path_absolute(rows[i].dir, rows[i].path);
		is_str(got, rows[i].want, rows[i].path);
		free(got);
	}
	char *got = opt_path_absolute(NULL, "x"), *cwd = getcwd(NULL, 0), *want = fs_join(cwd, "x");
	is_str(got, want, "without a folder, from the working directory");
	free(got);
	free(cwd);
	free(want);
}

static void write_file(const char *name, const char *text, size_t n, mode_t mode, char path[512])
{
	struct err err = ERR_INIT;

	snprintf(path, 512, "%s/%s", test_dir(), name);
	if (fs_write_atomic(path, text, n, mode, &err) == -1)
		tap_bail("%s", err.text);
}

static void resolve_is(struct secret_ref ref, const char *want, const char *what)
{
	struct strbuf sb = STRBUF_INIT(SECRET_MAX + 1);
	struct err err = ERR_INIT;
	int rc = secret_resolve(&ref, &sb, &err);

	if (want != NULL)
		is_str(rc == 0 ? sb.buf : err.text, want, what);
	else
		ok(rc == -1 && err.class == ERR_CONFIG && err_is(&err, "secret") &&
		        strstr(err.text, "hunter2") == NULL,
		    "%s: %s", what, err.text);
	secret_wipe(&sb);
	ok(sb.len == 0 && sb.cap == 0, "wiped");
}

static void test_secrets(void)
{
	char path[512], big[9000];

	setenv("ORCH_T_SECRET", "hunter2", 1);
	unsetenv("ORCH_T_NONE");
	resolve_is((struct secret_ref){SECRET_ENV, (char *)"ORCH_T_SECRET"}, "hunter2", "from the environment");
	resolve_is((struct secret_ref){SECRET_ENV, (char *)"ORCH_T_NONE"}, NULL, "an unset variable");
	write_file("plain", "hunter2\n", 8, 0600, path);
	resolve_is((struct secret_ref){SECRET_FILE, path}, "hunter2", "from a file, without the newline");
	write_file("crlf", "hunter2\r\n", 9, 0600, path);
	resolve_is((struct secret_ref){SECRET_FILE, path}, "hunter2", "or CRLF");
	write_file("two", "a\nb\n\n", 5, 0600, path);
	resolve_is((struct secret_ref){SECRET_FILE, path}, "a\nb\n", "one newline only");
	write_file("nul", "hunter2\0x", 9, 0600, path);
	resolve_is((struct secret_ref){SECRET_FILE, path}, NULL, "a NUL byte is refused");
	memset(big, 'x', sizeof(big));
	write_file("big", big, sizeof(big), 0600, path);
	resolve_is((struct secret_ref){SECRET_FILE, path}, NULL, "a file that is too long");
	write_file("empty", "", 0, 0600, path);
	resolve_is((struct secret_ref){SECRET_FILE, path}, "", "an empty secret is one");
	snprintf(path, sizeof(path), "%s/fifo", test_dir());
	ok(mkfifo(path, 0600) == 0, "make a FIFO");
	resolve_is((struct secret_ref){SECRET_FILE, path}, NULL, "a FIFO is refused without waiting");
	resolve_is((struct secret_ref){SECRET_FILE, (char *)"/nonexistent/x"}, NULL, "a missing file");
	unsetenv("CREDENTIALS_DIRECTORY");
	resolve_is((struct secret_ref){SECRET_CREDENTIAL, (char *)"plain"}, NULL, "no credential directory");
	setenv("CREDENTIALS_DIRECTORY", test_dir(), 1);
	resolve_is(
	    (struct secret_ref){SECRET_CREDENTIAL, (char *)"plain"}, "hunter2", "from the service manager");
	resolve_is((struct secret_ref){SECRET_NONE, NULL}, NULL, "none");
	resolve_is(
	    (struct secret_ref){SECRET_LITERAL, (char *)"hunter2"}, "hunter2", "one that stood in the file");
}

static void test_secret_files(void)
{
	char path[512], yaml[1024], file[512];
	struct diags ds = DIAGS_INIT;
	struct all c = {0};

	write_file("open", "hunter2\n", 8, 0644, path);
	snprintf(yaml, sizeof(yaml), "secret: {file: %s}\n", path);
	is_int(bind(yaml, &c, &ds), 0, "a secret file that others can read is taken");
	ok(ds.n == 1 && ds.v[0].level == DIAG_WARNING && strstr(ds.v[0].text, "mode 0644") != NULL,
	    "with a warning");
	opt_release(all_opts, &c);
	diags_release(&ds);

	/* A literal, in a private file and in an open one. */
	for (int i = 0; i < 2; i++) {
		static const char text[] = "token: hunter2\n";

		write_file("literal.yaml", text, strlen(text), i == 0 ? 0600 : 0640, file);
		struct node *n = node_load_yaml(file, &ds);
		is_int(
		    opt_bind(all_opts, n, "thing", &c, &ds), 0, "a literal is taken where the row allows it");
		ok(c.token.source == SECRET_LITERAL && strcmp(c.token.name, "hunter2") == 0, "as it stands");
		is_int(ds.n, i, "with a warning when others can read the file");
		ok(i == 0 || strstr(ds.v[0].text, "hunter2") == NULL, "that does not tell it");
		json_t *j = opt_to_json(all_opts, &c);
		is_str(json_str(j, "token", NULL), "hunter2", "only such a secret reaches a step's context");
		json_decref(j);
		node_free(n);
		opt_release(all_opts, &c);
	}
	diags_release(&ds);
}

static void test_strmap(void)
{
	struct strmap m = {0};

	strmap_set(&m, "b", "1");
	strmap_set(&m, "a", "2");
	strmap_set(&m, "b", "3");
	ok(m.keys.n == 2 && strcmp(m.keys.v[0], "b") == 0 && strcmp(strmap_get(&m, "b"), "3") == 0,
	    "set keeps the order");
	ok(strmap_get(&m, "c") == NULL, "an absent key");
	strmap_release(&m);
}

int main(void)
{
	tap_run(test_grammar);
	tap_run(test_limits);
	tap_run(test_defaults);
	tap_run(test_round_trip);
	tap_run(test_bad);
	tap_run(test_all_at_once);
	tap_run(test_texts);
	tap_run(test_some);
	tap_run(test_paths);
	tap_run(test_secrets);
	tap_run(test_secret_files);
	tap_run(test_strmap);
	return tap_done();
}
