/* rng.h: reproducible random numbers: a stream per purpose, so that threads never share one. */
#ifndef FPI_RNG_H
#define FPI_RNG_H

#include "base/util.h"

struct rng {
	uint64_t s[4]; /* xoshiro256++ */
	double spare;
	bool has_spare;
};

/* Different streams of one seed are independent of each other. */
void rng_init(struct rng *, uint64_t seed, uint64_t stream);
uint64_t rng_bits(struct rng *);
double rng_uniform(struct rng *); /* [0, 1) */
double rng_normal(struct rng *);
/* Photon counts: exact below a mean of 4, above it the normal law with the right skewness (not rounded). */
double rng_poisson(struct rng *, double mean);

#endif
