#include "config.h"

#include "base/suggest.h"

#include <ctype.h>
#include <string.h>

#define WORD_MAX 64

static bool same(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

size_t suggest_distance(const char *a, const char *b)
{
	size_t row[3][WORD_MAX + 1], na = strlen(a), nb = strlen(b);

	if (na > WORD_MAX || nb > WORD_MAX)
		return SIZE_MAX;
	for (size_t j = 0; j <= nb; j++)
		row[0][j] = j;
	for (size_t i = 1; i <= na; i++) {
		size_t *cur = row[i % 3], *prev = row[(i - 1) % 3], *prev2 = row[(i + 1) % 3];

		cur[0] = i;
		for (size_t j = 1; j <= nb; j++) {
			size_t best = prev[j - 1] + !same(a[i - 1], b[j - 1]);

			best = MIN(best, prev[j] + 1);
			best = MIN(best, cur[j - 1] + 1);
			if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]))
				best = MIN(best, prev2[j - 2] + 1);
			cur[j] = best;
		}
	}
	return row[na % 3][nb];
}

const char *suggest_nearest(const char *word, const char *(*name)(const void *arg, size_t i), const void *arg)
{
	const char *best = NULL, *cand;
	size_t best_d = MAX(strlen(word) / 3, (size_t)1) + 1;

	for (size_t i = 0; (cand = name(arg, i)) != NULL; i++) {
		size_t d = suggest_distance(word, cand);

		if (d < best_d) {
			best_d = d;
			best = cand;
		}
	}
	return best;
}
