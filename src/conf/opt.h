/*
 * opt.h: option tables.  Public: sensor, asset, store and database types describe their settings with these rows.
 *
 * A row says name, type, limits, default and one sentence of help; everything else is derived from it: binding and
 * validation of the YAML, `orchctl types`, the reference in the manual, "did you mean".  Binding is two steps: parse
 * and check into a fresh struct (nothing is kept on error, every problem is reported with file:line:column), then the
 * caller applies the whole at once.  A reload is the same path.
 *
 * Each type writes one C field at `off` in the type's conf struct:
 *
 *     OPT_STRING OPT_CHOICE OPT_PATTERN OPT_TEMPLATE OPT_KEY OPT_PREFIX OPT_PATH OPT_DATE
 *     OPT_STORE OPT_DATABASE                      char *          (owned by the conf; NULL when absent)
 *     OPT_INT OPT_SIZE (bytes)                    int64_t
 *     OPT_DURATION                                tm_ms
 *     OPT_DOUBLE                                  double
 *     OPT_BOOL                                    bool
 *     OPT_STRLIST                                 struct strvec
 *     OPT_STRMAP                                  struct strmap
 *     OPT_SECRET                                  struct secret_ref
 *
 * Accepted texts.  Durations: a whole number and a unit, ms s m min h d, parts may follow each other ("90s", "1h30m");
 * sizes: a whole number and B KiB MiB GiB TiB kB MB GB TB; integers: decimal digits with an optional minus; booleans:
 * true false yes no on off.  Nothing else: no hex, no exponents, no blanks.  A YAML scalar's look never decides its
 * type, the row does.
 *
 * A number without default that is absent is 0, which its limits must allow then.
 *
 * Limits (min, max) are values for numbers, sizes, durations and dates, bytes for OPT_STRING, items for OPT_STRLIST.
 */
#ifndef OPT_H
#define OPT_H

#include "base/err.h"
#include "base/json.h"
#include "base/strbuf.h"
#include "base/strvec.h"

enum opt_type {
	OPT_STRING, /* any text without control characters */
	OPT_INT,
	OPT_SIZE,
	OPT_DURATION,
	OPT_DOUBLE,
	OPT_BOOL,
	OPT_CHOICE, /* one of `choices`, separated by blanks */
	OPT_PATTERN, /* PCRE2 regular expression; compiled when checked, matching is bounded by the user of it */
	OPT_TEMPLATE, /* text with {name} places, base/template.h */
	OPT_KEY, /* object key: relative, no empty, '.' or '..' component, no control characters, at most 1024 bytes */
	OPT_PREFIX, /* as OPT_KEY, may be empty, a trailing slash is allowed */
	OPT_PATH, /* file name; made absolute against the folder of the file it stands in */
	OPT_DATE, /* YYYYMMDD, a real date */
	OPT_STRLIST, /* list of texts, or one text; with `choices` each item is one of them */
	OPT_STRMAP, /* mapping of texts, order kept */
	OPT_SECRET, /* {env: NAME} | {file: PATH} | {credential: NAME}; a literal is refused unless OPT_LITERAL_OK */
	OPT_STORE, /* the name of a store of this configuration */
	OPT_DATABASE, /* the name of a database of this configuration */
	OPT_NTYPES
};

enum {
	OPT_REQUIRED = 1 << 0,
	/* Takes effect on reload without restarting its object. */
	OPT_RELOAD = 1 << 1,
	/* Accepted (and checked) for old files; a note says that it has no effect; no field is written. */
	OPT_IGNORED = 1 << 2,
	/* A secret may stand in the file (a warning is given when others can read the file). */
	OPT_LITERAL_OK = 1 << 3,
	/* A text that may hold {name} places; checked with stand-ins, filled later by its user. */
	OPT_TEMPLATED = 1 << 4,
	/* A list of names of environment variables: an asset's step gets these from the daemon's environment. */
	OPT_VARIABLES = 1 << 5,
	/* A list whose items are key prefixes, by the rules of OPT_PREFIX. */
	OPT_PREFIXES = 1 << 6,
};

struct opt {
	const char *name;
	enum opt_type type;
	size_t off;
	const char *def; /* default as text, as opt_parse_text takes it; NULL: none */
	const char *min, *max; /* limits as text, inclusive; NULL: the type's own */
	const char *choices;
	unsigned flags;
	const char *help; /* one sentence, lower case, no full stop */
};
#define OPT_END              \
	{                    \
		.name = NULL \
	}

struct strmap {
	struct strvec keys, values; /* same length, order of the file */
};
const char *strmap_get(const struct strmap *, const char *key); /* lent, or NULL */
void strmap_set(struct strmap *, const char *key, const char *value);
void strmap_release(struct strmap *);

enum secret_source { SECRET_NONE, SECRET_ENV, SECRET_FILE, SECRET_CREDENTIAL, SECRET_LITERAL };
struct secret_ref {
	enum secret_source source;
	char *name; /* variable, path or credential name; the secret itself only for SECRET_LITERAL */
};
/*
 * Read the secret a reference names (trailing newline removed) into out.  Fails with class CONFIG naming the
 * reference, never the value.  Wipe out with secret_wipe.
 */
int secret_resolve(const struct secret_ref *, struct strbuf *out, struct err *err);
void secret_wipe(struct strbuf *);

struct node; /* conf/node.h: a parsed YAML or JSON value with its position */
struct diags; /* conf/diag.h: the problems found so far */

/*
 * Bind a mapping to a zeroed conf struct: defaults, then the node's members, every problem to diags.  `where` names
 * the object in messages ("sensor 'uploads'").  Returns 0, or -1 when anything was wrong; the struct must be released
 * either way.  map NULL is an empty mapping.
 */
int opt_bind(
    const struct opt *opts, const struct node *map, const char *where, void *conf, struct diags *diags);
/* The same where other members of the mapping belong to others: a run's config, which all its assets share. */
int opt_bind_some(
    const struct opt *opts, const struct node *map, const char *where, void *conf, struct diags *diags);
/* Free what the rows own inside conf. */
void opt_release(const struct opt *opts, void *conf);
/*
 * Parse one text as the row says (defaults, --set); 0 or -1 with a reason.  A list is split at blanks; a secret is
 * env:NAME, file:PATH or credential:NAME; a mapping cannot be given this way.
 */
int opt_parse_text(const struct opt *opt, const char *text, void *conf, struct err *err);
/*
 * The bound struct as JSON: what a step's context carries; binding it again gives the same struct.  Secrets stay
 * references; only a literal that OPT_LITERAL_OK let in comes out.
 */
json_t *opt_to_json(const struct opt *opts, const void *conf);
const struct opt *opt_find(const struct opt *opts, const char *name);
const char *opt_type_name(enum opt_type type);

#endif
