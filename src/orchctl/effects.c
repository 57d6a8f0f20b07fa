#include "config.h"

#include "orchctl/effects.h"

#include "orchctl/text.h"
#include "step/journal_msg.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *verb, *did, *would, *what;
	bool listed; /* each object by its name; otherwise the names are few and stand in one line */
} verb_row[] = {
    {"put", "wrote", "would write", "object", true},
    {"copy", "copied", "would copy", "object", true},
    {"delete", "deleted", "would delete", "object", true},
    {"rows", "stored", "would store", "row", false},
    {"run", "ran", "would run", "command", true},
    {NULL, "other", "other", "effect", true},
};

static struct effect_sum *sum_of(struct effects *e, const char *verb)
{
	for (size_t i = 0; i < e->n; i++)
		if (strcmp(e->sum[i].verb, verb) == 0)
			return &e->sum[i];
	if (e->n == EFFECT_VERBS)
		return NULL;
	snprintf(e->sum[e->n].verb, sizeof(e->sum[0].verb), "%s", verb);
	return &e->sum[e->n++];
}

static void add(struct effects *e, const struct journal_msg *m)
{
	struct effect_sum *s = sum_of(e, m->name);

	if (s == NULL)
		return;
	s->count++;
	s->size += m->done;
	if (strvec_has(&s->names, m->text))
		return;
	if (s->names.n == EFFECT_SHOWN) {
		free(s->names.v[0]);
		memmove(s->names.v, s->names.v + 1, s->names.n * sizeof(*s->names.v));
		s->names.n--;
	}
	strvec_push(&s->names, m->text);
}

void effects_add_journal(struct effects *e, const char *text)
{
	struct strbuf line = STRBUF_INIT(JOURNAL_LINE_MAX);
	struct journal_msg m;

	for (size_t n; *text != '\0'; text += n + (text[n] == '\n')) {
		n = strcspn(text, "\n");
		strbuf_reset(&line);
		if (strbuf_add(&line, text, n) == -1 || msg_decode(line.buf, n, &m, NULL) == -1)
			continue;
		if (m.kind == MSG_EFFECT)
			add(e, &m);
		msg_release(&m);
	}
	strbuf_release(&line);
}

/* "stored 86 rows in DataSet, fpi_sky" */
static void print_joined(const struct effect_sum *s)
{
	struct strbuf line = STRBUF_INIT(8192);

	for (size_t i = 0; i < s->names.n; i++) {
		strbuf_addstr(&line, i == 0 ? " in " : ", ");
		text_clean(&line, s->names.v[i]);
	}
	puts(line.buf);
	strbuf_release(&line);
}

static void print_listed(const struct effect_sum *s)
{
	struct strbuf line = STRBUF_INIT(8192);

	if (s->size > 0) {
		strbuf_addstr(&line, ", ");
		text_size(&line, s->size);
	}
	puts(line.buf);
	if (s->count > (int64_t)s->names.n)
		printf("  ... %" PRId64 " more\n", s->count - (int64_t)s->names.n);
	for (size_t i = 0; i < s->names.n; i++) {
		strbuf_reset(&line);
		text_clean(&line, s->names.v[i]);
		printf("  %s\n", line.buf);
	}
	strbuf_release(&line);
}

static void print_sum(const struct effect_sum *s, bool dry_run)
{
	size_t row = 0;
	int64_t n;

	while (verb_row[row].verb != NULL && strcmp(verb_row[row].verb, s->verb) != 0)
		row++;
	n = verb_row[row].listed ? s->count : s->size;
	printf("%s %" PRId64 " %s%s", dry_run ? verb_row[row].would : verb_row[row].did, n, verb_row[row].what,
	    n == 1 ? "" : "s");
	if (verb_row[row].listed)
		print_listed(s);
	else
		print_joined(s);
}

void effects_print(const struct effects *e, bool dry_run)
{
	for (size_t i = 0; i < e->n; i++)
		print_sum(&e->sum[i], dry_run);
}

void effects_release(struct effects *e)
{
	for (size_t i = 0; i < e->n; i++)
		strvec_release(&e->sum[i].names);
}
