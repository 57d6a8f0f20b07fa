/* What was announced and waits: nothing is lost, whatever comes between, and it never grows. */
#include "config.h"

#include "engine/hints.h"
#include "state/state.h"

#include "tests/tap.h"

static struct state *state;

static int64_t rows(void)
{
	return sql_get_int(state->sql, -1, "SELECT count(*) FROM hint WHERE sensor = 's'", "");
}

/* What a tick of a sensor that has just been started would be for: "a b", "(all)", "" for nothing. */
static const char *would_take(void)
{
	static struct strbuf text = STRBUF_INIT(4096);
	struct hints *h = hints_load(state, "s");
	const char *const *v;
	size_t n;

	strbuf_reset(&text);
	if (hints_waiting(h)) {
		hints_take(h);
		if ((v = hints_taken(h, &n)) == NULL)
			strbuf_addstr(&text, "(all)");
		for (size_t i = 0; i < n; i++)
			strbuf_addf(&text, "%s%s", i ? " " : "", v[i]);
	}
	hints_free(h);
	return text.len > 0 ? text.buf : "";
}

static void world_open(void)
{
	struct err err = ERR_INIT;

	if ((state = state_open_empty("/nowhere", &err)) == NULL)
		tap_bail("%s", err.text);
}

static void world_close(void)
{
	ok(sql_error(state->sql) == NULL, "no statement failed");
	state_close(state);
}

static void test_life(void)
{
	struct hints *h;
	size_t n;

	world_open();
	h = hints_load(state, "s");
	ok(!hints_waiting(h), "nothing waits at first");
	ok(hints_add(h, "a", 1), "what is new is added");
	ok(!hints_add(h, "a", 2), "what waits is known");
	ok(hints_waiting(h) && rows() == 1, "it waits, in its row");
	is_str(would_take(), "a", "also after a crash");
	hints_take(h);
	ok(!hints_waiting(h) && rows() == 1, "a tick has taken it, the row stays");
	is_str(hints_taken(h, &n)[0], "a", "the tick is for it");
	ok(hints_add(h, "a", 3) && hints_waiting(h), "announced again meanwhile: that is new");
	ok(!hints_add(h, "a", 4), "once");
	ok(hints_add(h, "b", 4), "another one too");
	hints_settle(h);
	ok(hints_waiting(h) && rows() == 2, "the tick saw neither");
	hints_take(h);
	hints_settle(h);
	ok(!hints_waiting(h) && rows() == 0, "the next one did: the rows are gone");
	is_str(would_take(), "", "nothing is left");
	hints_add(h, "c", 5);
	hints_take(h);
	hints_add(h, "d", 5);
	hints_give_back(h);
	hints_take(h);
	ok(hints_taken(h, &n) != NULL && n == 2, "what a failed tick was for waits with the rest");
	hints_settle(h);
	is_int(rows(), 0, "until one succeeds");
	hints_free(h);
	world_close();
}

static void add_many(struct hints *h, int n, const char *what)
{
	char text[64];

	for (int i = 0; i < n; i++) {
		snprintf(text, sizeof(text), "%s%d", what, i);
		hints_add(h, text, 1);
	}
}

static void test_many(void)
{
	struct hints *h;
	size_t n;

	world_open();
	h = hints_load(state, "s");
	add_many(h, HINTS_FEW, "x");
	hints_take(h);
	ok(hints_taken(h, &n) != NULL && n == HINTS_FEW, "a few are looked at one by one");
	hints_give_back(h);
	add_many(h, HINTS_FEW + 1, "x");
	hints_take(h);
	ok(hints_taken(h, &n) == NULL && n == 0, "more make a look at everything");
	hints_settle(h);
	is_int(rows(), 0, "which has seen them all");
	add_many(h, 10 * HINTS_MAX, "y");
	is_int(rows(), 1, "too many are one for everything");
	is_str(would_take(), "(all)", "also after a crash");
	ok(!hints_add(h, "z", 1), "anything else is in that");
	hints_take(h);
	ok(hints_taken(h, &n) == NULL, "a look at everything");
	ok(hints_add(h, "z", 1), "what comes then is new");
	add_many(h, 10 * HINTS_MAX, "y");
	hints_settle(h);
	ok(hints_waiting(h) && rows() == 1, "and waits, however much it is");
	hints_take(h);
	hints_settle(h);
	is_int(rows(), 0, "until it was looked at");
	hints_free(h);
	world_close();
}

/* A flood while a tick looks at a few: these stay lent, and whatever its end, everything is looked at next. */
static void test_flood(void)
{
	for (int seen = 0; seen < 2; seen++) {
		struct hints *h;
		size_t n;

		world_open();
		h = hints_load(state, "s");
		hints_add(h, "a", 1);
		hints_take(h);
		const char *const *v = hints_taken(h, &n);
		hints_add(h, "a", 2);
		add_many(h, 2 * HINTS_MAX, "x");
		is_str(v[0], "a", "what was taken is still there");
		if (seen)
			hints_settle(h);
		else
			hints_give_back(h);
		is_str(would_take(), "(all)", "a crash now: a look at everything");
		hints_take(h);
		ok(hints_taken(h, &n) == NULL, "without a crash the same");
		hints_settle(h);
		ok(rows() == 0 && !hints_waiting(h), "and then it is over");
		hints_free(h);
		world_close();
	}
}

/* Any order of everything: what is in the table after each step would make the same tick as what is in memory. */
static void test_random(void)
{
	unsigned seed = 7;
	struct hints *h;
	size_t adds = 0, mismatches = 0;
	bool taken = false;
	char last[8];

	world_open();
	h = hints_load(state, "s");
	for (int i = 0; i < 20000; i++) {
		switch (rand_r(&seed) % 4) {
		case 0:
		case 1:
			snprintf(last, sizeof(last), "%d", rand_r(&seed) % 20);
			adds += hints_add(h, last, 1);
			mismatches += !hints_waiting(h);
			break;
		case 2:
			if (taken)
				hints_settle(h);
			else
				hints_take(h);
			taken = !taken;
			break;
		default:
			hints_free(h); /* a crash */
			h = hints_load(state, "s");
			taken = false;
		}
		mismatches += hints_waiting(h) && rows() == 0;
	}
	ok(adds > 1000, "%zu announcements", adds);
	is_int((int64_t)mismatches, 0, "what waits in memory always waits in the table");
	hints_free(h);
	world_close();
}

int main(void)
{
	tap_run(test_life);
	tap_run(test_many);
	tap_run(test_flood);
	tap_run(test_random);
	return tap_done();
}
