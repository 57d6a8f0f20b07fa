#include "config.h"

#include "assets/archive/tar_block.h"

#include "assets/archive/member_name.h"

#include <string.h>

struct field {
	size_t off, len;
};
static const struct field f_name = {0, 100}, f_size = {124, 12}, f_checksum = {148, 8}, f_prefix = {345, 155},
                          f_star_prefix = {345, 131};
#define OFF_TYPE  156
#define OFF_MAGIC 257
#define OFF_STAR  508
#define OCTAL_MAX 077777777777 /* eleven digits */

/* What a type flag stands for; whatever has no row is refused. */
static const struct {
	char flag;
	enum tar_kind kind;
} kinds[] = {
    {'\0', TAR_FILE},
    {'0', TAR_FILE},
    {'5', TAR_DIR},
    {'S', TAR_SPARSE},
    {'x', TAR_PAX},
    {'g', TAR_PAX_GLOBAL},
    {'L', TAR_LONG_NAME},
    {'K', TAR_LONG_LINK},
};

/* For the error text only. */
static const char *type_word(char flag)
{
	switch (flag) {
	case '1': return "a hard link";
	case '2': return "a symbolic link";
	case '3': return "a character device";
	case '4': return "a block device";
	case '6': return "a fifo";
	case '7': return "a contiguous file";
	default: return "of an unknown type";
	}
}

bool tar_block_is_zero(const unsigned char *b)
{
	static const unsigned char zero[TAR_BLOCK];

	return memcmp(b, zero, TAR_BLOCK) == 0;
}

static int number_base256(const unsigned char *p, size_t n, int64_t *out)
{
	uint64_t v = p[0] & 0x7f;

	if (p[0] & 0x40) /* the sign */
		return -1;
	for (size_t i = 1; i < n; i++) {
		if (v >> 55 != 0)
			return -1;
		v = v << 8 | p[i];
	}
	*out = (int64_t)v;
	return 0;
}

static int number_octal(const unsigned char *p, size_t n, int64_t *out)
{
	const unsigned char *end = p + n;
	int64_t v = 0;
	size_t digits = 0;

	while (p < end && *p == ' ')
		p++;
	for (; p < end && *p >= '0' && *p <= '7'; p++, digits++)
		v = v * 8 + (*p - '0'); /* twelve digits at most */
	while (p < end && (*p == ' ' || *p == '\0'))
		p++;
	if (digits == 0 || p < end)
		return -1;
	*out = v;
	return 0;
}

int tar_number(const unsigned char *p, size_t n, int64_t *out)
{
	return p[0] & 0x80 ? number_base256(p, n, out) : number_octal(p, n, out);
}

/* The sum of all bytes with the checksum's own taken as blanks; old programs added them as signed chars. */
static bool checksum_fits(const unsigned char *b)
{
	int64_t stored, sum = 0, sum_signed = 0;

	if (number_octal(b + f_checksum.off, f_checksum.len, &stored) == -1)
		return false;
	for (size_t i = 0; i < TAR_BLOCK; i++) {
		bool own = i - f_checksum.off < f_checksum.len;

		sum += own ? ' ' : b[i];
		sum_signed += own ? ' ' : (signed char)b[i];
	}
	return stored == sum || stored == sum_signed;
}

static size_t add_field(char *out, const unsigned char *b, struct field f)
{
	size_t n = strnlen((const char *)b + f.off, f.len);

	memcpy(out, b + f.off, n);
	out[n] = '\0';
	return n;
}

static void parse_name(const unsigned char *b, char out[TAR_BLOCK_NAME_MAX])
{
	/* GNU has other things in the prefix's place, v7 anything. */
	bool posix = memcmp(b + OFF_MAGIC, "ustar", 6) == 0;
	bool star = posix && memcmp(b + OFF_STAR, "tar", 4) == 0;
	size_t n = posix ? add_field(out, b, star ? f_star_prefix : f_prefix) : 0;

	if (n > 0)
		out[n++] = '/';
	add_field(out + n, b, f_name);
}

static int parse_kind(char flag, enum tar_kind *out)
{
	for (size_t i = 0; i < NITEMS(kinds); i++)
		if (kinds[i].flag == flag) {
			*out = kinds[i].kind;
			return 0;
		}
	return -1;
}

static bool is_blank(const unsigned char *p, size_t n)
{
	while (n > 0 && (p[n - 1] == ' ' || p[n - 1] == '\0'))
		n--;
	return n == 0;
}

static int parse_size(const unsigned char *b, struct tar_block *tb)
{
	const unsigned char *p = b + f_size.off;

	if (tb->kind == TAR_DIR && is_blank(p, f_size.len))
		tb->size = 0;
	else if (tar_number(p, f_size.len, &tb->size) == -1)
		return -1;
	tb->size_capped = tb->size == OCTAL_MAX;
	return 0;
}

int tar_block_parse(const unsigned char b[TAR_BLOCK], struct tar_block *out, struct err *err)
{
	char flag = (char)b[OFF_TYPE], shown[MEMBER_NAME_SHOWN];

	if (!checksum_fits(b))
		return err_code(err, ERR_BAD_DATA, "corrupt.tar", "the header's checksum is wrong");
	parse_name(b, out->name);
	if (parse_kind(flag, &out->kind) == -1)
		return err_code(err, ERR_BAD_DATA, "type", "member '%s' is %s ('%c'), not a plain file",
		    out->name, type_word(flag), flag > 0x20 && flag < 0x7f ? flag : '?');
	if (parse_size(b, out) == -1)
		return err_code(err, ERR_BAD_DATA, "corrupt.tar", "member '%s': the size is not a number",
		    member_name_show(out->name, shown));
	return 0;
}
