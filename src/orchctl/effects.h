/* effects.h: what a run did outside, collected from its steps' journals and told at the end. */
#ifndef EFFECTS_H
#define EFFECTS_H

#include "base/json.h"
#include "base/strvec.h"

#define EFFECT_VERBS 8
#define EFFECT_SHOWN 12 /* names told of each verb */

struct effects {
	size_t n;
	struct effect_sum {
		char verb[16];
		int64_t count, size;
		struct strvec
		    names; /* the last EFFECT_SHOWN, so that manifests, written last, are among them */
	} sum[EFFECT_VERBS];
};

/* Those of a journal's text, as far as it goes; the first line may be torn. */
void effects_add_journal(struct effects *, const char *text);
/* dry_run: what would have been done. */
void effects_print(const struct effects *, bool dry_run);
void effects_release(struct effects *);

#endif
