/* A set of texts in pairs: what was added is there, through every growth, and nothing else is. */
#include "config.h"

#include "tests/tap.h"

#include "audit/keyset.h"

#define MANY 20000

static const char *name(char out[40], int i)
{
	snprintf(out, 40, "results/2026/%d.png", i);
	return out;
}

static void test_pairs(void)
{
	struct keyset *s = keyset_new();

	ok(keyset_add(s, "data", "a") && !keyset_add(s, "data", "a"), "a member is added once");
	ok(keyset_has(s, "data", "a") && !keyset_has(s, "data", "b"), "and found");
	ok(!keyset_has(s, "dataa", "") && !keyset_has(s, "dat", "aa") && !keyset_has(s, "", "dataa"),
	    "the two texts are not one");
	ok(keyset_add(s, "", "") && keyset_has(s, "", ""), "empty texts are members too");
	keyset_free(s);
	keyset_free(NULL);
}

static void test_many(void)
{
	struct keyset *s = keyset_new();
	bool added = true, there = true, strange = false;
	char text[40];

	for (int i = 0; i < MANY; i++)
		added &= keyset_add(s, i % 2 ? "data" : "other", name(text, i));
	for (int i = 0; i < MANY; i++) {
		there &= keyset_has(s, i % 2 ? "data" : "other", name(text, i));
		strange |= keyset_has(s, i % 2 ? "other" : "data", name(text, i));
	}
	ok(added, "%d members are new", MANY);
	ok(there, "all are there after it grew");
	ok(!strange, "under their own store alone");
	keyset_free(s);
}

int main(void)
{
	tap_run(test_pairs);
	tap_run(test_many);
	return tap_done();
}
