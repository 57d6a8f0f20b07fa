#include "config.h"

#include "assets/fpi/npz.h"

#include "assets/fpi/zipfile.h"

#define HEADER_ALIGN 64

/* The next code point of valid UTF-8, U+FFFD for anything else. */
static uint32_t next_code(const unsigned char **p, const unsigned char *end)
{
	unsigned c = *(*p)++;
	int more = c < 0x80 ? 0 : c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : c >= 0xc2 ? 1 : -1;
	uint32_t code = more <= 0 ? c : c & (0x3f >> more);

	if (more == -1 || more > end - *p)
		return 0xfffd;
	while (more-- > 0) {
		if ((**p & 0xc0) != 0x80)
			return 0xfffd;
		code = code << 6 | (*(*p)++ & 0x3f);
	}
	return code;
}

static void le_bytes(struct strbuf *out, uint64_t v, int bytes)
{
	char b[8];

	for (int i = 0; i < bytes; i++)
		b[i] = (char)(v >> 8 * i & 0xff);
	strbuf_add(out, b, (size_t)bytes);
}

/* Cells of width code points, the longest a cell of width bytes can need. */
static void put_texts(struct strbuf *out, const struct fpi_array *a)
{
	for (size_t i = 0; i < a->n; i++) {
		const unsigned char *p = (const unsigned char *)a->text + i * a->width,
		                    *end = p + strnlen((const char *)p, a->width);

		for (size_t k = 0; k < a->width; k++)
			le_bytes(out, p < end ? next_code(&p, end) : 0, 4);
	}
}

static void put_values(struct strbuf *out, const struct fpi_array *a)
{
	if (a->kind == FPI_TEXTS) {
		put_texts(out, a);
		return;
	}
	for (size_t i = 0; i < a->n; i++) {
		uint64_t bits;

		if (a->kind == FPI_DOUBLES)
			memcpy(&bits, &a->f[i], sizeof(bits));
		else
			bits = (uint64_t)a->i[i];
		le_bytes(out, bits, 8);
	}
}

/* The text of a .npy header: a Python literal, padded so that the data are aligned. */
static void put_header(struct strbuf *out, const struct fpi_array *a)
{
	char dict[256], type[24], shape[64] = "()";
	size_t total;

	snprintf(type, sizeof(type), a->kind == FPI_DOUBLES ? "<f8" : "<i8");
	if (a->kind == FPI_TEXTS)
		snprintf(type, sizeof(type), "<U%zu", a->width);
	if (a->rank == 1)
		snprintf(shape, sizeof(shape), "(%zu,)", a->dims[0]);
	else if (a->rank == 2)
		snprintf(shape, sizeof(shape), "(%zu, %zu)", a->dims[0], a->dims[1]);
	snprintf(dict, sizeof(dict), "{'descr': '%s', 'fortran_order': False, 'shape': %s, }", type, shape);
	total = (10 + strlen(dict) + 1 + HEADER_ALIGN - 1) / HEADER_ALIGN * HEADER_ALIGN;
	strbuf_add(out, "\x93NUMPY\x01\x00", 8);
	le_bytes(out, total - 10, 2);
	strbuf_addf(out, "%-*s\n", (int)(total - 11), dict);
}

static int add_member(struct zipfile *z, const struct fpi_array *a, size_t limit, struct err *err)
{
	struct strbuf npy = STRBUF_INIT(limit);
	char name[sizeof(a->name) + 8];
	int r;

	snprintf(name, sizeof(name), "%s.npy", a->name);
	for (char *p = name; *p != '\0'; p++)
		if (*p == '/')
			*p = '_';
	put_header(&npy, a);
	put_values(&npy, a);
	r = npy.overflowed ? err_set(err, ERR_BUG, "array %s is too large", a->name)
	                   : zipfile_add(z, name, npy.buf, npy.len, err);
	strbuf_release(&npy);
	return r;
}

int fpi_npz_write(const struct fpi_arrays *arrays, struct strbuf *out, struct err *err)
{
	struct zipfile z;

	zipfile_init(&z, out);
	for (size_t i = 0; i < arrays->n; i++)
		if (add_member(&z, &arrays->v[i], out->limit, err) == -1) {
			zipfile_release(&z);
			return -1;
		}
	return zipfile_finish(&z, err);
}
