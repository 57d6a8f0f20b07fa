/*
 * pattern_digits.h: does a regular expression tell one digit from another?
 *
 * Names in a listing are mostly the name before them with other digits.  A pattern in which no digit stands for itself
 * cannot tell such names apart: exchange digits for digits, and it matches or not just as before, with its groups at the
 * same places.
 */
#ifndef PATTERN_DIGITS_H
#define PATTERN_DIGITS_H

#include <stdbool.h>
#include <stddef.h>

/*
 * text has compiled as in pattern.h.  true: all digits are alike to it.  Constructs that are not looked into
 * (back references, options, comments, escapes by number) count as telling digits apart.
 */
bool pattern_digits_alike(const char *text);

/* Is b the same as a but for digits in the places of digits? */
bool pattern_digits_only(const char *a, const char *b, size_t n);

#endif
