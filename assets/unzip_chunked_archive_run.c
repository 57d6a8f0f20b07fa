#include "config.h"

#include "assets/unzip/conf.h"
#include "assets/unzip/copies.h"
#include "assets/unzip/loader.h"
#include "assets/unzip/manifest.h"
#include "assets/unzip/pieces.h"
#include "base/mem.h"
#include "step/asset.h"
#include "step/step.h"

#include <inttypes.h>

#define EXISTING_MAX 200000

extern asset_run_fn asset_unzip_chunked_archive_run;

struct unzip {
	struct step *step;
	const struct unzip_conf *conf;
	const struct unzip_run_conf *run;
	struct store *store;
	struct run_names names;
	char *destination, *manifest_key;
	struct pieces pieces;
	struct store_listing existing;
	struct written *written;
	struct loader_result result;
	json_t *copies;
	char manifest_sha256[SHA256_HEX];
};

static int prepare(struct unzip *u, struct err *err)
{
	if ((u->store = step_store(u->step, u->conf->store, err)) == NULL)
		return -1;
	if (run_names_init(&u->names, step_config(u->step), &u->conf->names, err) == -1)
		return -1;
	u->destination = run_names_key(&u->names, u->conf->destination, err);
	u->manifest_key = u->destination != NULL ? run_names_key(&u->names, u->conf->manifest, err) : NULL;
	if (u->manifest_key == NULL)
		return -1;
	if (strncmp(u->manifest_key, u->destination, strlen(u->destination)) == 0)
		return err_set(err, ERR_CONFIG, "manifest %s lies in the folder of the data", u->manifest_key);
	return pieces_find(u->step, u->store, u->conf, u->run, &u->names, &u->pieces, err);
}

/* Objects that no attempt of this step has put: an earlier upload's, which a bad archive must not replace. */
static bool has_foreign(const struct unzip *u)
{
	for (size_t i = 0; i < u->existing.n; i++)
		if (!written_has(u->written, u->existing.v[i].key))
			return true;
	return false;
}

static int pass(struct unzip *u, bool write, struct err *err)
{
	const struct loader_conf lc = {.step = u->step,
	    .store = u->store,
	    .conf = u->conf,
	    .pieces = &u->pieces,
	    .destination = u->destination,
	    .existing = &u->existing,
	    .written = u->written,
	    .write = write,
	    .report = write || step_dry_run(u->step)};

	members_free(u->result.members);
	u->result = (struct loader_result){0};
	return loader_run(&lc, &u->result, err);
}

/*
 * Into an empty folder in one pass.  Where something else stands already, the whole archive is checked first,
 * and only a good one replaces anything.
 */
static int unpack(struct unzip *u, struct err *err)
{
	if (step_dry_run(u->step))
		return pass(u, false, err);
	if (has_foreign(u)) {
		if (pass(u, false, err) == -1)
			return -1;
		if (u->result.written == 0)
			return 0;
		step_log(u->step, LOG_INFO_,
		    "%" PRId64 " of %zu objects differ from what is there and will be replaced",
		    u->result.written, members_count(u->result.members));
	}
	return pass(u, true, err);
}

/* The archive is bad: what its attempts put is not proven and goes again. */
static void take_back(struct unzip *u)
{
	struct err why = ERR_INIT;
	int64_t n = written_undo(u->written, u->store, &why);

	if (n > 0)
		step_log(
		    u->step, LOG_INFO_, "removed the %" PRId64 " objects unpacked from the bad archive", n);
	else if (n == -1)
		step_log(u->step, LOG_WARN_, "objects of the bad archive may be left under %s: %s",
		    u->destination, why.text);
}

/* An earlier, longer upload of the night: its files stay, and those downstream will see them. */
static void tell_others(struct unzip *u)
{
	size_t others = 0, n = strlen(u->destination);
	const char *first = NULL;

	for (size_t i = 0; i < u->existing.n; i++) {
		const char *key = u->existing.v[i].key;

		if (members_find(u->result.members, key + n) != NULL)
			continue;
		others++;
		first = first != NULL ? first : key;
	}
	if (others > 0)
		step_warn(u->step, "warning:other_objects",
		    "%zu objects under %s are not from this archive, the first is %s", others, u->destination,
		    first);
	step_metadata(u->step, "other_objects", json_integer((json_int_t)others));
}

static int unpack_checked(struct unzip *u, struct err *err)
{
	if (store_sync_list(u->store, u->destination, EXISTING_MAX, &u->existing, err) == -1)
		return err_wrap(err, "destination");
	if ((u->written = written_open(step_ledger_dir(u->step), err)) == NULL)
		return -1;
	if (unpack(u, err) == 0) {
		tell_others(u);
		return 0;
	}
	if (err->class == ERR_BAD_DATA && !step_dry_run(u->step))
		take_back(u);
	return -1;
}

static int commit(struct unzip *u, struct err *err)
{
	json_t *manifest;
	int rc;

	if (step_dry_run(u->step)) {
		step_effect(u->step, "put", u->manifest_key, -1, NULL);
		return 0;
	}
	if (store_sync_barrier(u->store, err) == -1)
		return err_wrap(err, "make the objects durable");
	manifest = manifest_new(u->step, &u->pieces, u->destination, u->result.members, u->copies);
	rc = manifest_put(u->store, u->manifest_key, manifest, u->manifest_sha256, err);
	json_decref(manifest);
	if (rc == 0)
		step_effect(u->step, "put", u->manifest_key, -1, u->manifest_sha256);
	return rc;
}

static void record(struct unzip *u)
{
	static const char *const passed_on[] = {"site", "observation_date", "instrument_name"};
	struct step *s = u->step;

	for (size_t i = 0; i < NITEMS(passed_on); i++)
		if (run_names_get(&u->names, passed_on[i]) != NULL)
			step_metadata(s, passed_on[i], json_string(run_names_get(&u->names, passed_on[i])));
	step_metadata(s, "store", json_string(u->conf->store));
	step_metadata(s, "destination", json_string(u->destination));
	step_metadata(s, "files", json_integer((json_int_t)members_count(u->result.members)));
	step_metadata(s, "bytes", json_integer(members_bytes(u->result.members)));
	step_metadata(s, "written", json_integer(u->result.written));
	step_metadata(s, "already_present", json_integer(u->result.present));
	step_metadata(s, "repeated_members", json_integer(u->result.repeated));
	step_metadata(s, "pieces", json_integer((json_int_t)u->pieces.n));
	step_metadata(s, "piece_bytes", json_integer(u->pieces.bytes));
	step_metadata(s, "cloud_files", json_integer((json_int_t)json_array_size(u->copies)));
	if (u->pieces.check.key != NULL)
		step_metadata(s, "check_file", json_string(u->pieces.check.key));
	if (!step_dry_run(s))
		step_metadata(s, "manifest",
		    json_pack("{s:s, s:s}", "key", u->manifest_key, "sha256", u->manifest_sha256));
}

static int no_data(struct unzip *u)
{
	if (u->pieces.n > 0)
		step_warn(u->step, "warning:stray_chunks",
		    "%zu pieces are there although %s says that there is nothing", u->pieces.n,
		    u->pieces.check.key);
	step_metadata(u->step, "check_file", json_string(u->pieces.check.key));
	step_no_data(u->step, "%s says that there is nothing", u->pieces.check.key);
	return 0;
}

static void release(struct unzip *u)
{
	json_decref(u->copies);
	members_free(u->result.members);
	written_close(u->written);
	store_listing_release(&u->existing);
	pieces_release(&u->pieces);
	free(u->manifest_key);
	free(u->destination);
	run_names_release(&u->names);
}

int asset_unzip_chunked_archive_run(struct step *step, const void *conf, const void *run_conf, struct err *err)
{
	struct unzip u = {.step = step, .conf = conf, .run = run_conf};
	int rc = prepare(&u, err);

	if (rc == 0 && u.pieces.no_data) {
		rc = no_data(&u);
	} else if (rc == 0) {
		rc = unpack_checked(&u, err);
		if (rc == 0)
			rc = copies_run(step, u.store, u.conf, u.run, &u.names, &u.copies, err);
		if (rc == 0)
			rc = commit(&u, err);
		if (rc == 0)
			record(&u);
	}
	release(&u);
	return rc;
}
