#include "config.h"

#include "assets/fpi/rng.h"

#include <math.h>

#define POISSON_EXACT 4.0

static uint64_t rotl(uint64_t x, int k)
{
	return x << k | x >> (64 - k);
}

static uint64_t splitmix(uint64_t *x)
{
	uint64_t z = *x += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

void rng_init(struct rng *r, uint64_t seed, uint64_t stream)
{
	uint64_t x = seed;

	x = splitmix(&x) ^ stream * 0xd1342543de82ef95ULL;
	for (int i = 0; i < 4; i++)
		r->s[i] = splitmix(&x);
	r->has_spare = false;
}

uint64_t rng_bits(struct rng *r)
{
	uint64_t *s = r->s, result = rotl(s[0] + s[3], 23) + s[0], t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotl(s[3], 45);
	return result;
}

double rng_uniform(struct rng *r)
{
	return (double)(rng_bits(r) >> 11) * 0x1p-53;
}

double rng_normal(struct rng *r)
{
	double u, v, q, f;

	if (r->has_spare) {
		r->has_spare = false;
		return r->spare;
	}
	do {
		u = 2 * rng_uniform(r) - 1;
		v = 2 * rng_uniform(r) - 1;
		q = u * u + v * v;
	} while (q >= 1 || q == 0);
	f = sqrt(-2 * log(q) / q);
	r->spare = v * f;
	r->has_spare = true;
	return u * f;
}

double rng_poisson(struct rng *r, double mean)
{
	double z;

	if (!(mean > 0))
		return 0;
	if (mean < POISSON_EXACT) {
		double p = rng_uniform(r), limit = exp(-mean);
		int n = 0;

		for (; p > limit && n < 200; n++)
			p *= rng_uniform(r);
		return n;
	}
	z = rng_normal(r);
	return mean + sqrt(mean) * z + (z * z - 1) / 6;
}
