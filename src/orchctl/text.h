/*
 * text.h: how things look to people: times, sizes, states, colours.
 *
 * Everything that came from outside goes through text_clean: control characters, escapes and characters that reorder a
 * line become visible, so no object key can forge what a terminal shows.
 */
#ifndef TEXT_H
#define TEXT_H

#include "base/json.h"
#include "base/strbuf.h"

enum paint { PAINT_NONE, PAINT_GOOD, PAINT_BAD, PAINT_WARN, PAINT_BUSY, PAINT_DIM, PAINT_BOLD, PAINT_COUNT };

/* Colour when stdout is a terminal and neither NO_COLOR nor TERM=dumb says otherwise. */
void text_setup(void);
bool text_is_terminal(void);
int text_columns(void); /* of the terminal; 0: not one */
const char *text_on(enum paint p); /* escape sequences, or "" */
const char *text_off(enum paint p);

/* Append s made safe; NULL appends "-". */
void text_clean(struct strbuf *out, const char *s);
size_t text_width(const char *s); /* in columns, of clean text */

/* All append and may be given null values, which become "-". */
void text_size(struct strbuf *out, int64_t bytes); /* "11.1 MB" */
void text_span(struct strbuf *out, tm_ms span); /* "850 ms", "12.3 s", "3 min 05 s", "2 h 05 min" */
void text_ago(struct strbuf *out, const json_t *time); /* "12 s ago", "in 3 min", from an ISO text */
void text_time(struct strbuf *out, const json_t *time); /* "2026-04-17 21:03:05" */
void text_between(struct strbuf *out, const json_t *from, const json_t *to); /* to null: until now */
/* A JSON value in a few words: texts as they are, containers compact and cut at max bytes. */
void text_value(struct strbuf *out, const json_t *value, size_t max);
enum paint text_state_paint(const char *state, const char *outcome);

#endif
