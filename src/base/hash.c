#include "config.h"

#include "base/hash.h"

#include <endian.h>
#include <string.h>

static uint64_t add(uint64_t h, uint64_t eight)
{
	h = (h ^ eight) * UINT64_C(0xff51afd7ed558ccd);
	return h ^ h >> 32;
}

uint64_t hash_bytes(uint64_t h, const void *p, size_t n)
{
	const unsigned char *b = p;
	uint64_t eight;

	for (; n >= 8; n -= 8, b += 8) {
		memcpy(&eight, b, 8);
		h = add(h, le64toh(eight));
	}
	eight = 0;
	memcpy(&eight, b, n);
	return add(h, le64toh(eight) | (uint64_t)n << 56);
}

uint64_t hash_text(uint64_t h, const char *s)
{
	return s != NULL ? hash_bytes(h, s, strlen(s)) : add(h, UINT64_MAX);
}
