/* Diagnostics and documents: what is read, what is refused, and that the message says where and why. */
#include "config.h"

#include "tests/tap.h"

#include "base/clock.h"
#include "conf/diag.h"
#include "conf/node.h"

#include <fcntl.h>
#include <sys/stat.h>

static char *printed(const struct diags *ds)
{
	struct strbuf sb = STRBUF_INIT(65536);

	diags_print(ds, &sb);
	return strbuf_detach(&sb);
}

static struct node *parse(const char *text, struct diags *ds)
{
	return node_parse_yaml("t.yaml", text, strlen(text), ds);
}

static void test_diags(void)
{
	struct diags ds = DIAGS_INIT;
	struct err err = ERR_INIT;
	struct mark at = {"a.yaml", 9, 2}, before = {"a.yaml", 3, 4}, other = {"b.yaml", 1, 1};
	char *text;

	is_int(diags_to_err(&ds, &err), 0, "no problem, no error");
	diag_add(&ds, DIAG_NOTE, &at, "ignored", "first %s", "noted");
	is_int(diags_to_err(&ds, &err), 0, "a note is no error");
	diag_add(&ds, DIAG_ERROR, &at, "value", "esc\x1b[31m \xe2\x80\xae rlo \xff\n");
	diag_add(&ds, DIAG_ERROR, &other, "io", "gone");
	diag_add(&ds, DIAG_ERROR, &before, "value", "caf\xc3\xa9");
	diag_add(&ds, DIAG_WARNING, NULL, "value", "placeless");
	text = printed(&ds);
	is_str(text,
	    "a.yaml:3:4: error: caf\xc3\xa9\n"
	    "a.yaml:9:2: note: first noted\n"
	    "a.yaml:9:2: error: esc\\x1b[31m \\xe2\\x80\\xae rlo \\xff\\x0a\n"
	    "b.yaml:1:1: error: gone\n"
	    "warning: placeless\n",
	    "file order, and nothing reaches a terminal raw");
	free(text);
	is_int(diags_to_err(&ds, &err), -1, "errors make an error");
	is_str(err.text, "a.yaml:3:4: caf\xc3\xa9 (and 2 more)", "the first, and how many more");
	ok(err.class == ERR_CONFIG && err_exit_code(&err) == 7, "its class is config");
	for (int i = 0; i < 30; i++)
		diag_add(&ds, i < 15 ? DIAG_NOTE : DIAG_ERROR, &at, "value", "%d", i);
	size_t kept = 0;
	for (size_t i = 0; i < ds.n; i++)
		kept += ds.v[i].level == DIAG_ERROR;
	ok(ds.n == DIAGS_MAX_KEPT && ds.errors == 18 && kept == 18,
	    "when full, errors take the place of notes");
	text = printed(&ds);
	ok(strstr(text, "15 more not shown") != NULL, "and the number left out is said");
	free(text);
	diags_release(&ds);
}

/* Documents that must be refused: class, place, and words of the message. */
static const struct {
	const char *text, *class;
	int line, column;
	const char *words;
} refused[] = {
    {"a:\n\tb: 1\n", "yaml", 2, 1, "tab"},
    {"a:\n  b: 1\n\tc: 2\n", "yaml", 3, 1, "tab"},
    {"a: \"never\nb: 1\n", "yaml", 1, 4, "never closed"},
    {"a: 'never\n", "yaml", 1, 4, "never closed"},
    {"a: [1, 2\nb: 3\n", "yaml", 2, 0, "','"},
    {"a: {b: 1\nc: 3\n", "yaml", 2, 0, "line 1"},
    {"a: b: c\n", "yaml", 1, 5, "quote a value"},
    {"a: 1\n b: 2\n", "yaml", 2, 0, "':'"},
    {"a: @b\n", "yaml", 1, 4, "begin with '@'"},
    {"a: `b\n", "yaml", 1, 4, "begin with '`'"},
    {"\xc3\xa9: @b\n", "yaml", 1, 4, "cannot begin with '@'"},
    {"include: *.yaml\n", "yaml", 1, 0, "quote"},
    {"a: *x\n", "yaml", 1, 4, "quote"},
    {"a: &x 1\n", "yaml", 1, 4, "anchors"},
    {"a: [*]\n", "yaml", 1, 0, "quotes"},
    {"a: !!str 1\n", "tag", 1, 4, "tags"},
    {"a: !x 1\n", "tag", 1, 4, "tags"},
    {"a: !x!y 1\n", "yaml", 1, 0, "tags"},
    {"a: 1\nb: 2\na: 3\n", "duplicate", 3, 1, "first on line 1"},
    {"a: {b: 1, b: 2}\n", "duplicate", 1, 11, "'b' stands twice"},
    {"a: 1\n'a': 2\n", "duplicate", 2, 1, "'a'"},
    {"x: {<<: 1}\n", "yaml", 1, 5, "merge keys"},
    {"x: {{a}: 1}\n", "type", 1, 5, "quotes"},
    {"? [a]\n: 1\n", "type", 1, 3, "a list where a key belongs"},
    {"?\n: 1\n", "yaml", 1, 0, "without a key"},
    {"a: 1\n---\nb: 2\n", "yaml", 2, 1, "second document"},
    {"a: 1\n...\nb: 2\n", "yaml", 3, 1, "one document"},
    {"a: \"x\\0y\"\n", "value", 1, 4, "NUL"},
    {"a: \"x\\ey\"\n", "value", 1, 4, "control"},
    {"a: \"x\\x85y\"\n", "value", 1, 4, "control"},
    {"a: \"x\\qy\"\n", "yaml", 1, 0, "escape"},
    {"a: \"\\xZZ\"\n", "yaml", 1, 0, "hexadecimal"},
    {"a: b\x01\n", "encoding", 1, 5, "0x01"},
    {"a: 1\nb: \xc3\xa9\xe9\n", "encoding", 2, 5, "0xE9"},
    {"a: \xc0\x80\n", "encoding", 1, 4, "UTF-8"},
    {"a: \xc2\x85\n", "encoding", 1, 4, "0x85"},
    {"\xff\xfe\x61", "encoding", 1, 1, "UTF-16"},
    {"- a\nb: 1\n", "yaml", 2, 1, "'-'"},
    {"a: - b\n", "yaml", 1, 4, "list item"},
    {"a: |x\n b\n", "yaml", 1, 0, "YAML"},
    {"%YAML 3.0\n---\na: 1\n", "yaml", 1, 0, "version"},
    {"a\n", NULL, 0, 0, NULL},
};

static void test_refused(void)
{
	for (size_t i = 0; i < NITEMS(refused); i++) {
		struct diags ds = DIAGS_INIT;
		struct node *n = parse(refused[i].text, &ds);
		char *text = printed(&ds);

		if (refused[i].class == NULL) {
			ok(n != NULL && ds.n == 0, "a lone text is a document");
		} else {
			ok(n == NULL && ds.n >= 1 && strcmp(ds.v[0].class, refused[i].class) == 0 &&
			        ds.v[0].mark.line == refused[i].line &&
			        (refused[i].column == 0 || ds.v[0].mark.column == refused[i].column) &&
			        strstr(ds.v[0].text, refused[i].words) != NULL,
			    "row %zu: %.*s", i, (int)strcspn(text, "\n"), text);
		}
		free(text);
		node_free(n);
		diags_release(&ds);
	}
}

static void test_bytes(void)
{
	struct diags ds = DIAGS_INIT;
	char text[2000];

	ok(node_parse_yaml("t", "a: b\0c\n", 7, &ds) == NULL && ds.v[0].mark.column == 5 &&
	        strstr(ds.v[0].text, "a NUL byte") != NULL,
	    "a NUL byte is refused where it stands");
	diags_release(&ds);
	diag_add(&ds, DIAG_ERROR, NULL, "value", "a\xc2\x85-\xe2\x80\xae-\xe2\x81\xa6-\x7f");
	is_str(ds.v[0].text, "a\\xc2\\x85-\\xe2\\x80\\xae-\\xe2\\x81\\xa6-\\x7f",
	    "characters that would move or hide text are shown by their bytes");
	diags_release(&ds);
	memset(text, 'x', sizeof(text));
	memcpy(text + 1022, "\xc3\xa9", 3);
	diag_add(&ds, DIAG_ERROR, NULL, "value", "%s", text);
	ok(strlen(ds.v[0].text) == 1022 && strchr(ds.v[0].text, '\\') == NULL,
	    "a long text is not cut inside a character");
	diags_release(&ds);
}

static void test_all_at_once(void)
{
	struct diags ds = DIAGS_INIT;
	struct node *n = parse("a: !t 1\nb: &x 2\nb: 3\nc: *x\nd: \"\\0\"\n", &ds);
	char *text = printed(&ds);

	ok(n == NULL, "nothing is returned");
	is_int(ds.errors, 4, "every independent problem is reported, anchors once");
	ok(strstr(text, ":1:4: error: tags") && strstr(text, ":2:4: error: anchors") &&
	        strstr(text, ":3:1: error: key") && strstr(text, ":5:4: error: a value"),
	    "each with its place");
	free(text);
	diags_release(&ds);
}

static void test_tree(void)
{
	struct diags ds = DIAGS_INIT;
	struct node *n = parse("\xef\xbb\xbf# top\r\na: no\r\nb: '012'\r\nc: [x, {d: }, []]\r\ne: |\r\n  "
	                       "one\r\n  two\r\nf: ~\r\ng: \"~\"\r\n",
	    &ds);

	if (!ok(n != NULL && ds.n == 0, "a byte order mark, CRLF and comments are fine"))
		return;
	is_str(node_text(n, "a"), "no", "a text is what is written");
	ok(!node_get(n, "a")->quoted && node_get(n, "b")->quoted, "quoting is known");
	is_str(node_text(n, "e"), "one\ntwo\n", "a block text has line feeds");
	const struct node *c = node_get(n, "c");
	ok(c->kind == NODE_LIST && c->n == 3 && c->item[1]->kind == NODE_MAP && c->item[2]->n == 0,
	    "lists and mappings");
	ok(node_get(c->item[1], "d")->kind == NODE_NULL, "an absent value is nothing");
	ok(node_is_null(node_get(n, "f")) && !node_is_null(node_get(n, "g")), "~ is null unless quoted");
	ok(c->mark.line == 4 && c->mark.column == 4 && strcmp(c->mark.file, "t.yaml") == 0,
	    "each node knows its place");
	ok(node_get(n, "nope") == NULL && node_get(c, "a") == NULL && node_text(n, "c") == NULL,
	    "absent is NULL");
	node_free(n);
	n = parse("", &ds);
	ok(n != NULL && n->kind == NODE_NULL, "an empty file is a document without content");
	node_free(n);
	n = parse("# nothing\n", &ds);
	ok(n != NULL && n->kind == NODE_NULL, "comments alone too");
	node_free(n);
	is_int(ds.n, 0, "without complaint");
}

static void fill(struct strbuf *sb, const char *unit, size_t times)
{
	for (size_t i = 0; i < times; i++)
		strbuf_addstr(sb, unit);
}

static void test_limits(void)
{
	static const struct {
		const char *what, *before, *unit, *after;
		size_t times;
		bool accepted;
	} rows[] = {
	    {"depth 64", "", "[", "]", 64, true},
	    {"depth 65", "", "[", "]", 65, false},
	    {"depth of a million", "", "[", "", 1000000, false},
	    {"a million braces", "", "{", "", 1000000, false},
	    {"block depth by dashes", "", "- ", "x", 400000, false},
	    {"a million question marks", "", "? ", "x", 400000, false},
	    {"a million commas", "[", ",", "]", 1000000, false},
	    {"a value of 4096 bytes", "a: ", "x", "\n", 4096, true},
	    {"a value of 4097 bytes", "a: ", "x", "\n", 4097, false},
	    {"99,998 values", "[", "x,", "y]", 99998, true},
	    {"100,001 values", "[", "x,", "y]", 99999 + 1, false},
	    {"a file of more than a MiB", "", "#2345678\n", "", (1 << 20) / 9 + 1, false},
	    {"a million quotes", "a: ", "''", "", 500000, false},
	    {"a long simple key", "", "k", ": 1", 1000000, false},
	    {"many aliases", "[", "*a,", "]", 90000, false},
	};

	for (size_t i = 0; i < NITEMS(rows); i++) {
		struct strbuf sb = STRBUF_INIT(2 << 20);
		struct diags ds = DIAGS_INIT;
		int64_t t0 = clock_mono();

		strbuf_addstr(&sb, rows[i].before);
		fill(&sb, rows[i].unit, rows[i].times);
		if (rows[i].after[0] == ']' && rows[i].times < 100)
			fill(&sb, "]", rows[i].times);
		else
			strbuf_addstr(&sb, rows[i].after);
		struct node *n = node_parse_yaml("big.yaml", sb.buf, sb.len, &ds);
		ok((n != NULL) == rows[i].accepted, "%s is %s", rows[i].what,
		    rows[i].accepted ? "accepted" : "refused");
		ok(clock_mono() - t0 < 2000, "within bounded time: %" PRId64 " ms", clock_mono() - t0);
		node_free(n);
		diags_release(&ds);
		strbuf_release(&sb);
	}
}

static void test_many_keys(void)
{
	struct strbuf sb = STRBUF_INIT(1 << 20);
	struct diags ds = DIAGS_INIT;
	int64_t t0 = clock_mono();

	for (int i = 0; i < 49000; i++)
		strbuf_addf(&sb, "key%d: v\n", (i * 7919) % 48999);
	ok(parse(sb.buf, &ds) == NULL && ds.errors == 1, "the one duplicate among 49,000 keys is found");
	is_str(ds.v[0].text, "key 'key0' stands twice; first on line 1", "with both places");
	ok(clock_mono() - t0 < 2000, "without comparing all pairs: %" PRId64 " ms", clock_mono() - t0);
	diags_release(&ds);
	strbuf_release(&sb);
}

static void test_env(void)
{
	static const struct {
		const char *yaml, *want; /* want NULL: refused */
	} rows[] = {
	    {"v: ${ORCH_T_A}", "alpha"},
	    {"v: 'x${ORCH_T_A}y${ORCH_T_A}'", "xalphayalpha"},
	    {"v: ${ORCH_T_RAW}", "${HOME}: [x"},
	    {"v: ${ORCH_T_NONE:-fall back}", "fall back"},
	    {"v: ${ORCH_T_NONE:-}", ""},
	    {"v: ${ORCH_T_EMPTY:-used}", "used"},
	    {"v: ${ORCH_T_EMPTY}", ""},
	    {"v: ${ORCH_T_A:-unused}", "alpha"},
	    {"v: $${ORCH_T_A}", "${ORCH_T_A}"},
	    {"v: $ORCH_T_A $", "$ORCH_T_A $"},
	    {"v: '^a$'", "^a$"},
	    {"v: ${ORCH_T_NONE}", NULL},
	    {"v: '${ORCH_T_A'", NULL},
	    {"v: '${1A}'", NULL},
	    {"v: '${}'", NULL},
	    {"v: '${ORCH_T_A:+x}'", NULL},
	    {"v: ${ORCH_T_CTL}", NULL},
	    {"v: ${ORCH_T_LATIN}", NULL},
	    {"v: ${ORCH_T_NULL}", "null"},
	};

	setenv("ORCH_T_A", "alpha", 1);
	setenv("ORCH_T_RAW", "${HOME}: [x", 1);
	setenv("ORCH_T_EMPTY", "", 1);
	setenv("ORCH_T_CTL", "a\x1b", 1);
	setenv("ORCH_T_LATIN", "\xe9", 1);
	setenv("ORCH_T_NULL", "null", 1);
	unsetenv("ORCH_T_NONE");
	for (size_t i = 0; i < NITEMS(rows); i++) {
		struct diags ds = DIAGS_INIT;
		struct node *n = parse(rows[i].yaml, &ds);

		node_expand_env(n, &ds);
		if (rows[i].want != NULL)
			is_str(node_text(n, "v"), rows[i].want, rows[i].yaml);
		else
			ok(ds.errors == 1 && strcmp(ds.v[0].class, "env") == 0 && ds.v[0].mark.line == 1,
			    "%s: %s", rows[i].yaml, ds.n > 0 ? ds.v[0].text : "accepted");
		ok(rows[i].want == NULL || !node_is_null(node_get(n, "v")),
		    "a variable's value is never a null");
		node_free(n);
		diags_release(&ds);
	}
	struct diags ds = DIAGS_INIT;
	struct node *n = parse("a: {b: [x, '${ORCH_T_A}']}\n'${ORCH_T_A}': 1\n", &ds);
	node_expand_env(n, &ds);
	is_str(node_get(node_get(n, "a"), "b")->item[1]->text, "alpha", "nested values are expanded");
	is_str(n->key[1]->text, "${ORCH_T_A}", "keys are not");
	node_free(n);
}

static void test_numbers(void)
{
	static const struct {
		const char *text;
		bool is_double, is_int;
	} rows[] = {
	    {"40.167", true, false},
	    {"-88", true, true},
	    {"1e3", true, false},
	    {"-1.5E-3", true, false},
	    {"+5", true, false},
	    {".5", true, false},
	    {"5.", true, false},
	    {"0x10", false, false},
	    {"nan", false, false},
	    {"inf", false, false},
	    {"1_000", false, false},
	    {"", false, false},
	    {" 5", false, false},
	    {"5 ", false, false},
	    {"1e", false, false},
	    {"-", false, false},
	    {".", false, false},
	    {"1e999", false, false},
	    {"9223372036854775807", true, true},
	    {"9223372036854775808", true, false},
	    {"\xd9\xa3", false, false},
	    {"1e5x", false, false},
	    {"--5", false, false},
	};

	for (size_t i = 0; i < NITEMS(rows); i++) {
		struct node n = {.kind = NODE_TEXT, .text = (char *)rows[i].text};
		double d = -1;
		int64_t v = -1;

		ok((node_as_double(&n, &d) == 0) == rows[i].is_double, "'%s' as a number", rows[i].text);
		ok((node_as_int(&n, &v) == 0) == rows[i].is_int, "'%s' as an integer", rows[i].text);
	}
	struct node n = {.kind = NODE_TEXT, .text = (char *)"-1.5E-3"};
	double d;
	ok(node_as_double(&n, &d) == 0 && d == -1.5e-3, "the value is right");
	bool b = false;
	n.text = (char *)"yes";
	ok(node_as_bool(&n, &b) == 0 && b, "yes is true");
	n.text = (char *)"True";
	ok(node_as_bool(&n, &b) == -1 && node_as_bool(NULL, &b) == -1, "other words are no booleans");
}

static void test_json(void)
{
	struct err err = ERR_INIT;
	static const char doc[] = "{\"s\":\"null\",\"i\":-7,\"r\":1e-7,\"big\":1.5e300,\"t\":true,\"n\":null,"
	                          "\"l\":[{\"x\":1}],\"p\":0.1}";
	json_t *j = json_parse(doc, strlen(doc), "doc", &err);
	struct node *n = node_from_json(j, "context");
	double d;

	is_str(node_text(n, "s"), "null", "a JSON text");
	ok(!node_is_null(node_get(n, "s")) && node_is_null(node_get(n, "n")), "is never a null");
	is_str(node_text(n, "i"), "-7", "an integer");
	is_str(node_text(n, "r"), "0.0000001", "a real without exponent");
	is_str(node_text(n, "p"), "0.1", "the shortest form");
	ok(strchr(node_text(n, "big"), 'e') == NULL && node_as_double(node_get(n, "big"), &d) == 0 &&
	        d == 1.5e300,
	    "also a huge one reads back");
	is_str(node_text(n, "t"), "true", "a boolean");
	is_str(node_text(node_get(n, "l")->item[0], "x"), "1", "nesting");
	is_str(node_get(n, "l")->mark.file, "context", "marks name the source");
	node_free(n);
	json_decref(j);
}

static void test_files(void)
{
	char path[512];
	struct diags ds = DIAGS_INIT;

	snprintf(path, sizeof(path), "%s/fifo", test_dir());
	ok(mkfifo(path, 0600) == 0 && node_load_yaml(path, &ds) == NULL, "a FIFO is refused without waiting");
	ok(strcmp(ds.v[0].class, "io") == 0 && strstr(ds.v[0].text, "not a regular file"), "as such");
	ok(node_load_yaml(test_dir(), &ds) == NULL && strstr(ds.v[1].text, "not a regular file"),
	    "a directory");
	snprintf(path, sizeof(path), "%s/none", test_dir());
	ok(node_load_yaml(path, &ds) == NULL && strstr(ds.v[2].text, "No such file"), "a missing file");
	ok(fs_write_atomic(path, "a: 1\n", 5, 0600, NULL) == 0, "write one");
	struct node *n = node_load_yaml(path, &ds);
	is_str(node_text(n, "a"), "1", "a plain one is read");
	is_int(ds.n, 3, "without a problem");
	node_free(n);
	diags_release(&ds);
}

int main(void)
{
	tap_run(test_diags);
	tap_run(test_refused);
	tap_run(test_bytes);
	tap_run(test_all_at_once);
	tap_run(test_tree);
	tap_run(test_limits);
	tap_run(test_many_keys);
	tap_run(test_env);
	tap_run(test_numbers);
	tap_run(test_json);
	tap_run(test_files);
	return tap_done();
}
