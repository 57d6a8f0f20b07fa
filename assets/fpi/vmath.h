/* vmath.h: exponential and squared sine of four values at a time, to a few units of the last place. */
#ifndef FPI_VMATH_H
#define FPI_VMATH_H

#include "assets/fpi/kernel.h"

/* Adding this to a double of magnitude below 2^51 rounds it to an integer, which then stands in the low mantissa bits. */
#define VMATH_ROUND 0x1.8p52

#define V4_ROUND(x) (((x) + V4(VMATH_ROUND)) - V4(VMATH_ROUND))

/* exp(x) for x <= 0; below -700 the result is about 1e-304 instead of less. */
FPI_INLINE void v4_exp_neg(const v4d *px, v4d *out)
{
	/* exp(x) = 2^n exp(r), |r| <= ln 2 / 2, exp(r) by its series */
	static const double c[] = {1.0 / 6227020800.0, 1.0 / 479001600.0, 1.0 / 39916800.0, 1.0 / 3628800.0,
	    1.0 / 362880.0, 1.0 / 40320.0, 1.0 / 5040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5,
	    1.0, 1.0};
	v4d x = V4_PICK(*px > V4(-700.0), *px, V4(-700.0));
	v4d t = x * V4(0x1.71547652b82fep0) + V4(VMATH_ROUND), n = t - V4(VMATH_ROUND);
	v4d r = (x - n * V4(0x1.62e42fee00000p-1)) - n * V4(0x1.a39ef35793c76p-33), e = V4(c[0]);
	v4u one = {0x3ff0000000000000, 0x3ff0000000000000, 0x3ff0000000000000, 0x3ff0000000000000};

	for (unsigned i = 1; i < sizeof(c) / sizeof(c[0]); i++)
		e = e * r + V4(c[i]);
	*out = e * (v4d)(((v4u)t << 52) + one);
}

/*
 * sin^2(pi m) for |m| < 2^51; with sin(pi g) of the folded g in [0, 1/4] in *s and the fraction of m in *f, from which a
 * caller can have sin(2 pi m).
 */
FPI_INLINE void v4_sin2pi(const v4d *m, v4d *sin2, v4d *s, v4d *f)
{
	/* sin(pi g) = g (c0 + c1 g^2 + ...), the series of the sine: the first term left out is 5e-17 for g = 1/4 */
	static const double c[] = {-0x1.6fadb9f155744p-16, 0x1.e8f434d018d63p-12, -0x1.e3074fde8871fp-8,
	    0x1.50783487ee782p-4, -0x1.32d2cce62bd86p-1, 0x1.466bc6775aae2p+1, -0x1.4abbce625be53p+2,
	    0x1.921fb54442d18p+1};
	v4d frac = *m - V4_ROUND(*m), a = V4_PICK(frac < V4(0.0), -frac, frac);
	v4i far = a > V4(0.25);
	v4d g = V4_PICK(far, V4(0.5) - a, a), g2 = g * g, p = V4(c[0]), q;

	for (unsigned i = 1; i < sizeof(c) / sizeof(c[0]); i++)
		p = p * g2 + V4(c[i]);
	*s = p * g;
	q = *s * *s;
	*sin2 = V4_PICK(far, V4(1.0) - q, q);
	*f = frac;
}

#endif
