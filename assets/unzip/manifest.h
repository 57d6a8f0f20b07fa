/*
 * manifest.h: the object that says an archive was unpacked whole: written last, so it is the commit of all the
 * others.
 *
 *     { "schema": "orchd/1", "kind": "unzip", "run": "...", "run_uid": "...", "asset": "unzip", "partition": "...",
 *       "destination": "fpi/minime05/uao/2025/20250429/",
 *       "pieces":     [ {"key", "etag", "size"}, ... ],       what was consumed, in order
 *       "check_file": {"key", "etag", "size"} | null,
 *       "copies":     [ {"from", "to", "etag", "size"}, ... ], what was copied along; etag is the source's
 *       "objects":    [ {"key", "size", "sha256"}, ... ],
 *       "counts":     {"pieces", "piece_bytes", "objects", "bytes"} }
 */
#ifndef ASSETS_UNZIP_MANIFEST_H
#define ASSETS_UNZIP_MANIFEST_H

#include "assets/archive/members.h"
#include "assets/unzip/pieces.h"
#include "base/json.h"

#define MANIFEST_MAX_BYTES (64 << 20)

struct step;

/* copies: an array in the form above; a reference is taken. */
json_t *manifest_new(const struct step *, const struct pieces *, const char *destination,
    const struct members *, json_t *copies);
/* Put it, durable; sha256 is of its bytes. */
int manifest_put(
    struct store *, const char *key, const json_t *manifest, char sha256[SHA256_HEX], struct err *err);
/*
 * Read a manifest back and check its form; sha256 (may be NULL) is what its bytes must have.  Class BAD_DATA
 * code "manifest" when it is something else.  The caller's to json_decref.
 */
json_t *manifest_get(struct store *, const char *key, const char *kind, const char *sha256, struct err *err);

#endif
