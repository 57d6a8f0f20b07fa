/* orchctl's frame: the table of commands, finding a row, options, and what is safe to print. */
#include "config.h"

#include "tests/tap.h"

#include "base/clock.h"
#include "orchctl/args.h"
#include "orchctl/complete.h"
#include "orchctl/ctl.h"
#include "orchctl/effects.h"
#include "orchctl/text.h"

static void test_rows(void)
{
	size_t bad = 0, n = 0;

	for (const struct cmd *const *p = cmds; *p != NULL; p++, n++) {
		const struct cmd *c = *p;

		if (c->run == NULL || c->help == NULL || c->help[0] == '\0' ||
		    c->help[strlen(c->help) - 1] == '.' || (c->max_operands > 0) != (c->operands != NULL) ||
		    c->min_operands > c->max_operands) {
			diag("%s %s", c->noun, c->verb ? c->verb : "");
			bad++;
		}
		for (const struct cmd *const *q = cmds; q < p; q++)
			if (strcmp((*q)->noun, c->noun) == 0 &&
			    (c->verb == NULL || strcmp((*q)->verb, c->verb) == 0))
				bad++;
		for (const struct arg_opt *o = c->opts; o != NULL && o->name != NULL; o++) {
			bad += o->help == NULL || (o->kind == ARG_FLAG) != (o->value == NULL);
			for (const struct arg_opt *g = common_opts; g->name != NULL; g++)
				bad +=
				    strcmp(g->name, o->name) == 0 || (o->letter != 0 && g->letter == o->letter);
			for (const struct arg_opt *b = c->opts; b < o; b++)
				bad +=
				    strcmp(b->name, o->name) == 0 || (o->letter != 0 && b->letter == o->letter);
		}
	}
	ok(bad == 0, "%zu commands are whole and unlike each other", n);
}

/* Nobody adds a command or an option without saying what may stand for its words. */
static void test_completion_knows(void)
{
	size_t bad = 0, n = 0;

	for (const struct cmd *const *p = cmds; *p != NULL; p++) {
		const struct cmd *c = *p;
		char what[64];

		if ((c->flags & CMD_HIDDEN) != 0)
			continue;
		if (c->operands != NULL && ++n > 0 && !complete_knows(c->operands, c->noun)) {
			diag("%s %s: %s", c->noun, c->verb ? c->verb : "", c->operands);
			bad++;
		}
		for (const struct arg_opt *o = c->opts; o != NULL && o->name != NULL; o++) {
			snprintf(what, sizeof(what), "--%s", o->name);
			if (o->kind != ARG_FLAG && ++n > 0 && !complete_knows(what, c->noun)) {
				diag("%s: %s", c->noun, what);
				bad++;
			}
		}
	}
	ok(bad == 0 && !complete_knows("NAME", "nothing"), "%zu words can be completed", n);
}

static void test_find(void)
{
	static const struct {
		const char *a, *b, *noun, *verb;
		size_t words;
		const char *error;
	} t[] = {
	    {"runs", NULL, "runs", "list", 1, NULL},
	    {"runs", "--json", "runs", "list", 1, NULL},
	    {"run", "show", "runs", "show", 2, NULL},
	    {"ru", "sh", "runs", "show", 2, NULL},
	    {"runs", "log", "runs", "logs", 2, NULL},
	    {"runs", "ls", "runs", "list", 2, NULL},
	    {"mat", "unzip", "materialize", NULL, 1, NULL},
	    {"hold", "x", "hold", NULL, 1, NULL},
	    {"r", NULL, NULL, NULL, 0, "could be runs, release"},
	    {"sensors", "tick", "sensors", "tick", 2, NULL},
	    {"sensors", "ti", NULL, NULL, 0, "could be tick, ticks"},
	    {"staus", NULL, NULL, NULL, 0, "did you mean status"},
	    {"runs", "shwo", NULL, NULL, 0, "did you mean show"},
	    {"runs", "zzz", NULL, NULL, 0, "no command 'runs zzz'; try 'orchctl help runs'"},
	    {"zzz", NULL, NULL, NULL, 0, "no command 'zzz'; try 'orchctl help'"},
	    {"page", "--help", "page", "export", 1, NULL},
	    {"complete", NULL, "complete", NULL, 1, NULL},
	    {"complet", NULL, NULL, NULL, 0, "no command 'complet'"},
	};

	for (size_t i = 0; i < NITEMS(t); i++) {
		char *argv[] = {(char *)(uintptr_t)t[i].a, (char *)(uintptr_t)t[i].b};
		struct err err = ERR_INIT;
		size_t words = 0;
		const struct cmd *c = cmd_find(argv, t[i].b ? 2 : 1, &words, &err);

		if (t[i].error != NULL)
			ok(c == NULL && err.class == ERR_USAGE && strstr(err.text, t[i].error) != NULL, "%s",
			    err.text);
		else
			ok(c != NULL && strcmp(c->noun, t[i].noun) == 0 && words == t[i].words &&
			        (t[i].verb == NULL || strcmp(c->verb, t[i].verb) == 0),
			    "%s %s", t[i].a, t[i].b ? t[i].b : "");
	}
}

static const struct arg_opt opts[] = {
    {"wait", 'w', ARG_OPTIONAL, "T", "x"},
    {"set", 's', ARG_LIST, "KV", "x"},
    {"limit", 'n', ARG_VALUE, "N", "x"},
    {"dry-run", 0, ARG_FLAG, NULL, "x"},
    ARG_END,
};

static int parse(struct args *a, const char *line, struct err *err)
{
	struct strvec words = STRVEC_INIT;
	int rc;

	for (const char *p = line; *p != '\0'; p += strspn(p, " ")) {
		size_t n = strcspn(p, " ");

		strvec_pushn(&words, p, n);
		p += n;
	}
	*a = (struct args){0};
	rc = args_parse(a, opts, common_opts, words.v, words.n, err);
	strvec_release(&words);
	return rc;
}

static void test_args(void)
{
	struct err err = ERR_INIT;
	struct args a;
	int64_t n;
	tm_ms t;

	ok(parse(&a, "one --set a=1 -s b=2 two --wait=90s -n7 --json -- --three", &err) == 0, "a full line");
	ok(a.operands.n == 3 && strcmp(a.operands.v[2], "--three") == 0,
	    "operands anywhere, anything after --");
	is_str(args_get(&a, "wait"), "90s", "an optional value");
	ok(args_has(&a, "json") && !args_has(&a, "quiet"), "flags of every command");
	ok(args_number(&a, "limit", 20, 100, &n, &err) == 0 && n == 7, "a number");
	ok(args_number(&a, "limit", 20, 5, &n, &err) == -1, "beyond its limit: %s", err.text);
	args_release(&a);
	ok(parse(&a, "--wait x", &err) == 0 && strcmp(args_get(&a, "wait"), "") == 0 && a.operands.n == 1,
	    "an optional value is never the next word");
	args_release(&a);
	static const char *const wrong[] = {
	    "--limt 3", "--limit", "--dry-run=yes", "--limit 1 --limit 2", "-x", "--set", "--config-file"};
	for (size_t i = 0; i < NITEMS(wrong); i++) {
		err = ERR_INIT;
		ok(parse(&a, wrong[i], &err) == -1 && err.class == ERR_USAGE, "%s: %s", wrong[i], err.text);
		args_release(&a);
	}
	ok(args_duration("90", &t, &err) == 0 && t == 90000 && args_duration("1h30m", &t, &err) == 0 &&
	        t == 5400000,
	    "durations");
	ok(args_duration("soon", &t, &err) == -1 && args_duration("", &t, &err) == -1, "and none");
}

static void test_clean(void)
{
	static const struct {
		const char *in, *out;
	} t[] = {
	    {"plain \xc3\xa9\xe2\x82\xac", "plain \xc3\xa9\xe2\x82\xac"},
	    {"a\033[31mred\nnext", "a\\x1b[31mred\\x0anext"},
	    {"\xe2\x80\xae"
	     "gpj.exe",
	        "\\u202egpj.exe"},
	    {"\xc2\x9b"
	     "31m",
	        "\\x9b31m"},
	    {"bad \xff bytes\n", "bad ? bytes?"},
	    {NULL, "-"},
	};

	for (size_t i = 0; i < NITEMS(t); i++) {
		struct strbuf sb = STRBUF_INIT(200);

		text_clean(&sb, t[i].in);
		is_str(sb.buf, t[i].out, "cleaned");
		strbuf_release(&sb);
	}
}

static void test_quantities(void)
{
	static const struct {
		int64_t v;
		const char *size, *span;
	} t[] = {
	    {0, "0 B", "0 ms"},
	    {999, "999 B", "999 ms"},
	    {1000, "1.0 kB", "1.0 s"},
	    {59999, "60.0 kB", "59.9 s"},
	    {99960, "100 kB", "1 min 39 s"},
	    {185000, "185 kB", "3 min 05 s"},
	    {7500000, "7.5 MB", "2 h 05 min"},
	    {999600, "1.0 MB", "16 min 39 s"},
	    {INT64_C(200000000), "200 MB", "2 d 7 h"},
	};
	struct strbuf sb = STRBUF_INIT(200);
	json_t *at = json_string("2026-04-17T21:00:00.000Z"), *to = json_string("2026-04-17T21:03:05.000Z");

	for (size_t i = 0; i < NITEMS(t); i++) {
		strbuf_reset(&sb);
		text_size(&sb, t[i].v);
		is_str(sb.buf, t[i].size, "size");
		strbuf_reset(&sb);
		text_span(&sb, t[i].v);
		is_str(sb.buf, t[i].span, "span");
	}
	clock_set(INT64_C(1776459600000) + 30000, 0);
	strbuf_reset(&sb);
	text_ago(&sb, at);
	is_str(sb.buf, "30 s ago", "ago");
	strbuf_reset(&sb);
	text_between(&sb, at, to);
	is_str(sb.buf, "3 min 05 s", "between");
	strbuf_reset(&sb);
	text_between(&sb, at, NULL);
	is_str(sb.buf, "30.0 s", "until now");
	strbuf_reset(&sb);
	text_ago(&sb, NULL);
	is_str(sb.buf, "-", "no time");
	clock_unset();
	json_decref(at), json_decref(to);
	strbuf_release(&sb);
}

static void test_effects(void)
{
	struct effects e = {0};
	struct strbuf sb = STRBUF_INIT(1 << 16);

	strbuf_addstr(&sb, "torn\"}}}\n");
	for (int i = 0; i < 20; i++)
		strbuf_addf(&sb,
		    "{\"__dagster_pipes_version\":\"0.1\",\"method\":\"report_custom_message\",\"params\":{"
		    "\"payload\":{\"effect\":"
		    "{\"verb\":\"put\",\"what\":\"k%d\",\"size\":10}}}}\n",
		    i);
	effects_add_journal(&e, sb.buf);
	ok(e.n == 1 && e.sum[0].count == 20 && e.sum[0].size == 200 && e.sum[0].names.n == EFFECT_SHOWN,
	    "effects add up");
	is_str(e.sum[0].names.v[EFFECT_SHOWN - 1], "k19", "the last names are kept");
	effects_release(&e);
	strbuf_release(&sb);
}

int main(void)
{
	tap_run(test_rows);
	tap_run(test_completion_knows);
	tap_run(test_find);
	tap_run(test_args);
	tap_run(test_clean);
	tap_run(test_quantities);
	tap_run(test_effects);
	return tap_done();
}
