/*
 * cmd_complete.c: what may stand at the end of a command line, for the completion of shells.
 *
 * Everything comes from the tables of commands and options, from the configuration, and from whoever answers for the state.
 * A candidate is a line: the word and, after a tab, what it is; ":files" alone leaves it to the shell.  Whatever fails gives
 * no candidates: nobody wants an error in the middle of a line that is being typed.
 */
#include "config.h"

#include "orchctl/complete.h"
#include "orchctl/ctl.h"

#include "conf/conf.h"
#include "query/query.h"
#include "sensor/sensor.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_MS 2000 /* longer is worse than no names */
#define RUNS_SEEN 300
#define KEYS_SEEN 100

/* ---- candidates ---- */

struct line {
	const char *word; /* what there is of it already */
	size_t before; /* so much of the last word stands before it: "--state=" */
	const char *last;
	const char *noun;
	const char *conf_file; /* -f, or NULL */
	struct conf *conf;
	bool conf_read;
	struct link *link;
	json_t *given; /* candidates so far: each once */
};

/* Names that a terminal or a shell would make something else of are left out. */
static bool is_plain(const char *word)
{
	struct strbuf sb = STRBUF_INIT(1 << 16);
	bool plain;

	text_clean(&sb, word);
	plain = strcmp(sb.buf, word) == 0;
	strbuf_release(&sb);
	return plain && word[0] != '\0';
}

static void give(struct line *l, const char *word, const char *what)
{
	if (strncmp(word, l->word, strlen(l->word)) != 0 || json_object_get(l->given, word) != NULL ||
	    !is_plain(word))
		return;
	json_object_set_new(l->given, word, json_true());
	printf("%.*s%s", (int)l->before, l->last, word);
	if (what != NULL && is_plain(what))
		printf("\t%s", what);
	putchar('\n');
}

static struct conf *conf_of(struct line *l)
{
	struct diags diags = DIAGS_INIT;
	char *path;

	if (!l->conf_read && (path = conf_find(l->conf_file, NULL)) != NULL) {
		l->conf = conf_load(path, &diags);
		free(path);
	}
	l->conf_read = true;
	diags_release(&diags);
	return l->conf;
}

/* The array `member` of an answer, lent from *result, which is the caller's. */
static const json_t *ask(struct line *l, const char *cmd, json_t *args, const char *member, json_t **result)
{
	struct err err = ERR_INIT;

	*result = NULL;
	if (conf_of(l) != NULL) {
		if (l->link == NULL)
			l->link = link_new(l->conf);
		link_call(l->link, cmd, args, ANSWER_MS, NULL, NULL, result, &err);
	}
	json_decref(args);
	return json_object_get(*result, member);
}

static const json_t *ask_runs(struct line *l, json_t **result)
{
	return ask(l, "runs.list", json_pack("{s:i}", "limit", RUNS_SEEN), "runs", result);
}

/* ---- where candidates come from ---- */

static void give_files(struct line *l)
{
	puts(":files");
}

static void give_nothing(struct line *l)
{
}

static void give_assets(struct line *l)
{
	const struct conf *conf = conf_of(l);

	for (size_t i = 0; conf != NULL && i < conf->nassets; i++)
		give(l, conf->assets[i].name, conf->assets[i].description);
}

/* After + and before it, too. */
static void give_selection(struct line *l)
{
	const struct conf *conf = conf_of(l);
	struct strbuf sb = STRBUF_INIT(1000);

	for (size_t i = 0; conf != NULL && i < conf->nassets; i++) {
		strbuf_reset(&sb);
		strbuf_addf(&sb, "%s%s", l->word[0] == '+' ? "+" : "", conf->assets[i].name);
		give(l, sb.buf, conf->assets[i].description);
	}
	for (size_t i = 0; conf != NULL && i < conf->nassets; i++)
		for (size_t k = 0; k < conf->assets[i].tags.n; k++) {
			strbuf_reset(&sb);
			strbuf_addf(&sb, "tag:%s", conf->assets[i].tags.v[k]);
			give(l, sb.buf, "all assets with this tag");
		}
	strbuf_release(&sb);
}

static void give_jobs(struct line *l)
{
	const struct conf *conf = conf_of(l);

	for (size_t i = 0; conf != NULL && i < conf->njobs; i++)
		give(l, conf->jobs[i].name, conf->jobs[i].description);
}

static void give_sensors(struct line *l)
{
	const struct conf *conf = conf_of(l);

	for (size_t i = 0; conf != NULL && i < conf->nsensors; i++)
		give(l, conf->sensors[i].name, conf->sensors[i].description);
}

static void give_schedules(struct line *l)
{
	const struct conf *conf = conf_of(l);

	for (size_t i = 0; conf != NULL && i < conf->nsensors; i++)
		if (conf->sensors[i].type->calendar != NULL)
			give(l, conf->sensors[i].name, conf->sensors[i].description);
}

static void give_runs(struct line *l)
{
	struct strbuf what = STRBUF_INIT(1000);
	json_t *result, *run;
	const json_t *runs = ask_runs(l, &result);
	char id[24];
	size_t i;

	json_array_foreach(runs, i, run)
	{
		strbuf_reset(&what);
		strbuf_addf(&what, "%s %s", json_str(run, "state", ""), json_str(run, "partition", ""));
		snprintf(id, sizeof(id), "%" PRId64, json_int(run, "id", 0));
		give(l, id, what.buf);
	}
	json_decref(result);
	strbuf_release(&what);
}

static void give_partitions(struct line *l)
{
	json_t *result, *run;
	const json_t *runs = ask_runs(l, &result);
	size_t i;

	json_array_foreach(runs, i, run) give(l, json_str(run, "partition", ""), NULL);
	json_decref(result);
}

static void give_holds(struct line *l)
{
	json_t *result, *hold;
	const json_t *holds = ask(l, "holds", json_object(), "holds", &result);
	size_t i;

	json_array_foreach(holds, i, hold)
	    give(l, json_str(hold, "partition", ""), json_str(hold, "reason", NULL));
	json_decref(result);
}

/* Partitions, and the keys that no run has. */
static void give_keys(struct line *l)
{
	static const char *const verdicts[] = {"pending", "stale", "invalid"};
	const struct conf *conf = conf_of(l);

	give_partitions(l);
	for (size_t i = 0; conf != NULL && i < conf->nsensors * NITEMS(verdicts); i++) {
		const char *verdict = verdicts[i % NITEMS(verdicts)];
		json_t *result, *key;
		const json_t *keys = ask(l, "sensors.keys",
		    json_pack("{s:s, s:s, s:i}", "name", conf->sensors[i / NITEMS(verdicts)].name, "verdict",
		        verdict, "limit", KEYS_SEEN),
		    "keys", &result);
		size_t k;

		json_array_foreach(keys, k, key) give(l, json_str(key, "key", ""), verdict);
		json_decref(result);
	}
}

static void give_words(struct line *l, const char *const *words)
{
	for (; *words != NULL; words++)
		give(l, *words, NULL);
}

static void give_run_states(struct line *l)
{
	give_words(l, query_run_states);
}

static void give_outbox_states(struct line *l)
{
	give_words(l, query_outbox_states);
}

static void give_verdicts(struct line *l)
{
	give_words(l, query_key_verdicts);
}

static void give_streams(struct line *l)
{
	static const char *const streams[] = {"stdout", "stderr", "journal", NULL};

	give_words(l, streams);
}

static void give_types(struct line *l)
{
	for (size_t i = 0; type_name(i) != NULL; i++)
		give(l, type_name(i), NULL);
}

static void give_nouns(struct line *l)
{
	for (size_t i = 0; cmd_noun(i) != NULL; i++) {
		const struct cmd *c = cmd_row(cmd_noun(i), cmd_verb(cmd_noun(i), 0));

		give(l, c->noun, cmd_verb(c->noun, 1) == NULL ? c->help : NULL);
	}
}

static void give_verbs(struct line *l)
{
	for (size_t i = 0; cmd_verb(l->noun, i) != NULL; i++)
		give(l, cmd_verb(l->noun, i), cmd_row(l->noun, cmd_verb(l->noun, i))->help);
}

/* By what an operand is called in the usage, or by an option; with a noun: there alone, and before the others. */
static const struct {
	const char *what, *noun;
	void (*give)(struct line *);
} sources[] = {
    {"NAME", "sensors", give_sensors},
    {"NAME", "schedules", give_schedules},
    {"NAME", "assets", give_assets},
    {"NAME", "types", give_types},
    {"PARTITION", "release", give_holds},
    {"--state", "outbox", give_outbox_states},
    {"COMMAND", NULL, give_nouns},
    {"DIR", NULL, give_files},
    {"FILE", NULL, give_files},
    {"ID", NULL, give_runs},
    {"JOB", NULL, give_jobs},
    {"KEY|PARTITION", NULL, give_keys},
    {"PARTITION", NULL, give_partitions},
    {"SELECTION", NULL, give_selection},
    {"--after", NULL, give_nothing},
    {"--asset", NULL, give_assets},
    {"--before", NULL, give_runs},
    {"--bytes", NULL, give_nothing},
    {"--config", NULL, give_files},
    {"--config-file", NULL, give_files},
    {"--days", NULL, give_nothing},
    {"--events", NULL, give_nothing},
    {"--job", NULL, give_jobs},
    {"--limit", NULL, give_nothing},
    {"--origin", NULL, give_nothing},
    {"--partition", NULL, give_partitions},
    {"--reason", NULL, give_nothing},
    {"--runs", NULL, give_nothing},
    {"--set", NULL, give_nothing},
    {"--since", NULL, give_nothing},
    {"--state", NULL, give_run_states},
    {"--stream", NULL, give_streams},
    {"--verdict", NULL, give_verdicts},
    {"--wait", NULL, give_nothing},
};

/* `what` may have brackets and dots around it: "[PARTITION]", "SELECTION...". */
static size_t source_of(const char *what, const char *noun)
{
	size_t n;

	what += what[0] == '[';
	n = strcspn(what, "].");
	for (size_t i = 0; i < NITEMS(sources); i++)
		if (strlen(sources[i].what) == n && strncmp(sources[i].what, what, n) == 0 &&
		    (sources[i].noun == NULL || strcmp(sources[i].noun, noun) == 0))
			return i;
	return SIZE_MAX;
}

bool complete_knows(const char *what, const char *noun)
{
	return source_of(what, noun) != SIZE_MAX;
}

static void give_from(struct line *l, const char *what)
{
	size_t i = source_of(what, l->noun);

	if (i != SIZE_MAX)
		sources[i].give(l);
}

/* ---- the words before it ---- */

static const struct arg_opt *option_in(const struct arg_opt *opts, const char *word)
{
	bool is_long = word[1] == '-';
	size_t n = is_long ? strcspn(word + 2, "=") : 1;

	for (; opts != NULL && opts->name != NULL; opts++)
		if (is_long ? strlen(opts->name) == n && strncmp(opts->name, word + 2, n) == 0
		            : opts->letter == word[1])
			return opts;
	return NULL;
}

static const struct arg_opt *option_of(const struct cmd *c, const char *word)
{
	const struct arg_opt *o =
	    word[0] == '-' && word[1] != '\0' ? option_in(c ? c->opts : NULL, word) : NULL;

	return o != NULL || word[0] != '-' ? o : option_in(common_opts, word);
}

static void give_options(struct line *l, const struct arg_opt *opts)
{
	struct strbuf sb = STRBUF_INIT(100);

	for (; opts != NULL && opts->name != NULL; opts++) {
		strbuf_reset(&sb);
		strbuf_addf(&sb, "--%s", opts->name);
		give(l, sb.buf, opts->help);
	}
	strbuf_release(&sb);
}

static void give_value(struct line *l, const struct arg_opt *o)
{
	char what[64];

	snprintf(what, sizeof(what), "--%s", o->name);
	give_from(l, what);
}

/* Takes the option at words[*i] with its value; true: the word to complete is that value. */
static bool pass_option(struct line *l, const struct arg_opt *o, char *const *words, size_t n, size_t *i)
{
	const char *value = NULL, *word = words[(*i)++];

	if (o == NULL || o->kind == ARG_FLAG)
		return false;
	if (*i < n && strcmp(words[*i], "=") == 0) { /* bash takes '=' for a word of its own */
		if (++*i == n) {
			l->word = "";
			return true;
		}
	} else if (strncmp(word, "--", 2) == 0 && strchr(word, '=') != NULL)
		value = strchr(word, '=') + 1;
	else if (o->kind == ARG_OPTIONAL)
		return false;
	if (value == NULL && *i < n)
		value = words[(*i)++];
	if (strcmp(o->name, "config-file") == 0)
		l->conf_file = value;
	return value == words[n - 1];
}

/* The word is an operand, or an option of c. */
static void finish(struct line *l, const struct cmd *c, size_t operands)
{
	const char *equals = l->word[0] == '-' ? strchr(l->word, '=') : NULL;
	const struct arg_opt *o = equals ? option_of(c, l->word) : NULL;

	if (equals != NULL) {
		l->before = (size_t)(equals + 1 - l->word);
		l->word = equals + 1;
		if (o != NULL && o->kind != ARG_FLAG)
			give_value(l, o);
	} else if (l->word[0] == '-') {
		give_options(l, c->opts);
		give_options(l, common_opts);
	} else if (c->operands != NULL && operands < c->max_operands) {
		if (strcmp(c->noun, "help") == 0 && operands > 0)
			give_verbs(l);
		else
			give_from(l, c->operands);
	}
}

static void complete(struct line *l, char *const *words, size_t n)
{
	const struct cmd *c = NULL;
	size_t operands = 0, used;
	struct err err = ERR_INIT;

	l->word = l->last = words[n - 1];
	l->noun = "";
	for (size_t i = 0; i + 1 < n;) {
		const struct arg_opt *o = option_of(c, words[i]);

		if (words[i][0] == '-') {
			if (pass_option(l, o, words, n, &i)) {
				give_value(l, o);
				return;
			}
		} else if (c == NULL) {
			c = cmd_find(words + i, n - 1 - i, &used, &err);
			if (c == NULL && (n - 1 - i > 1 || cmd_verb(words[i], 0) == NULL))
				return;
			l->noun = c ? c->noun : words[i];
			if (n - 1 - i == 1 && cmd_verb(l->noun, 0) != NULL && l->word[0] != '-') {
				give_verbs(l);
				return;
			}
			i += c ? used : 1;
		} else {
			if (strcmp(c->noun, "help") == 0)
				l->noun = words[i];
			operands++;
			i++;
		}
	}
	if (c != NULL)
		finish(l, c, operands);
	else if (l->word[0] == '-')
		give_options(l, common_opts);
	else
		give_nouns(l);
}

static int run(struct ctl *ctl, struct err *err)
{
	struct line l = {.given = json_object(), .conf_file = ctl->conf_file};

	complete(&l, ctl->args.operands.v, ctl->args.operands.n);
	link_free(l.link);
	if (l.conf != NULL)
		conf_unref(l.conf);
	json_decref(l.given);
	return 0;
}

const struct cmd cmd_complete = {
    .noun = "complete",
    .operands = "-- WORD...",
    .min_operands = 1,
    .max_operands = SIZE_MAX,
    .flags = CMD_NO_CONF | CMD_HIDDEN,
    .help = "what may stand in place of the last word, for the completion of shells",
    .run = run,
};
