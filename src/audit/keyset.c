#include "config.h"

#include "audit/keyset.h"

#include "base/digest.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

struct member {
	uint64_t a, b; /* both 0: free */
};

struct keyset {
	struct member *v;
	size_t n, cap; /* cap is a power of two */
};

struct keyset *keyset_new(void)
{
	struct keyset *s = xcalloc(1, sizeof(*s));

	s->cap = 1024;
	s->v = xcalloc(s->cap, sizeof(*s->v));
	return s;
}

void keyset_free(struct keyset *s)
{
	if (s == NULL)
		return;
	free(s->v);
	free(s);
}

static struct member member_of(const char *a, const char *b)
{
	unsigned char sum[SHA256_BYTES];
	size_t na = strlen(a) + 1, nb = strlen(b);
	char *both = xmalloc(na + nb);
	struct member m;

	memcpy(both, a, na);
	memcpy(both + na, b, nb);
	sha256_raw(both, na + nb, sum);
	free(both);
	memcpy(&m, sum, sizeof(m));
	return m;
}

static struct member *place(struct member *v, size_t cap, const struct member *m)
{
	size_t i = (size_t)m->a & (cap - 1);

	while ((v[i].a != 0 || v[i].b != 0) && (v[i].a != m->a || v[i].b != m->b))
		i = (i + 1) & (cap - 1);
	return &v[i];
}

static void grow(struct keyset *s)
{
	size_t cap = s->cap * 2;
	struct member *v = xcalloc(cap, sizeof(*v));

	for (size_t i = 0; i < s->cap; i++)
		if (s->v[i].a != 0 || s->v[i].b != 0)
			*place(v, cap, &s->v[i]) = s->v[i];
	free(s->v);
	s->v = v;
	s->cap = cap;
}

bool keyset_add(struct keyset *s, const char *a, const char *b)
{
	struct member m = member_of(a, b), *at = place(s->v, s->cap, &m);

	if (at->a == m.a && at->b == m.b)
		return false;
	*at = m;
	if (++s->n > s->cap / 2)
		grow(s);
	return true;
}

bool keyset_has(const struct keyset *s, const char *a, const char *b)
{
	struct member m = member_of(a, b), *at = place(s->v, s->cap, &m);

	return at->a == m.a && at->b == m.b;
}
