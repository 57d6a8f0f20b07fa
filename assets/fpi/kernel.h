/*
 * kernel.h: how the inner loops are written: four doubles at a time, in a fixed order, so that results do not depend on
 * the compiler's mood or the number of threads.
 *
 * A function marked FPI_KERNEL is compiled twice, for any x86-64 and for those with AVX2 and FMA; the loader chooses.
 * It must be static: clang 14 emits no entry for callers in other files.
 */
#ifndef FPI_KERNEL_H
#define FPI_KERNEL_H

#include <stdint.h>
#include <string.h>

typedef double v4d __attribute__((vector_size(32)));
typedef int64_t v4i __attribute__((vector_size(32)));
typedef uint64_t v4u __attribute__((vector_size(32)));
typedef int32_t v4s __attribute__((vector_size(16)));

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__x86_64__)
#define FPI_KERNEL
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FPI_KERNEL
#endif
#endif
#ifndef FPI_KERNEL
#define FPI_KERNEL __attribute__((target_clones("arch=x86-64-v3", "default")))
#endif

/* Helpers must be inlined: a vector passed to a real function would change its calling convention with the target. */
#define FPI_INLINE static inline __attribute__((always_inline, unused))

#define V4(x) ((v4d){(x), (x), (x), (x)})

/* Macros rather than functions for the same reason. */
#define V4_LOAD(p)                                        \
	({                                                \
		v4d v4_load_;                             \
		memcpy(&v4_load_, (p), sizeof(v4_load_)); \
		v4_load_;                                 \
	})
#define V4_STORE(p, v)                                      \
	do {                                                \
		v4d v4_store_ = (v);                        \
		memcpy((p), &v4_store_, sizeof(v4_store_)); \
	} while (0)
#define V4_SUM(v) (((v)[0] + (v)[1]) + ((v)[2] + (v)[3]))
/* v where mask (all ones or all zeros per lane) is set, else 0 */
#define V4_AND(v, mask)     ((v4d)((v4i)(v) & (mask)))
#define V4_PICK(mask, a, b) ((v4d)(((v4i)(a) & (mask)) | ((v4i)(b) & ~(mask))))

#endif
