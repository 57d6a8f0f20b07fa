/*
 * unzip_chunked_archive: a .tar.gz that arrived in numbered pieces -> one object per file in it, and a manifest
 * that lists them all and is written last.
 */
#include "config.h"

#include "assets/run_names.h"
#include "assets/unzip/conf.h"
#include "step/asset.h"

#define CONF(field) offsetof(struct unzip_conf, field)
#define RUN(field)  offsetof(struct unzip_run_conf, field)

static const struct opt unzip_opts[] = {
    {.name = "store",
        .type = OPT_STORE,
        .off = CONF(store),
        .flags = OPT_REQUIRED,
        .help = "store of the pieces and of the results"},
    RUN_NAMES_OPT(CONF(names)),
    {.name = "prefix",
        .type = OPT_TEMPLATE,
        .off = CONF(prefix),
        .def = "raw/",
        .help = "where the pieces lie"},
    {.name = "pieces",
        .type = OPT_TEMPLATE,
        .off = CONF(pieces),
        .flags = OPT_REQUIRED,
        .help = "name of a piece without its number, such as '{stub}_{site}_{observation_date}.tar.gz'"},
    {.name = "digits",
        .type = OPT_INT,
        .off = CONF(digits),
        .def = "6",
        .min = "1",
        .max = "9",
        .help = "digits of a piece's number"},
    {.name = "check_file",
        .type = OPT_TEMPLATE,
        .off = CONF(check_file),
        .help = "name of the check file that tells number and size of the pieces; without it every contiguous "
                "set is taken"},
    {.name = "destination",
        .type = OPT_TEMPLATE,
        .off = CONF(destination),
        .flags = OPT_REQUIRED,
        .help = "folder of the unpacked objects, with a slash at its end"},
    {.name = "manifest",
        .type = OPT_TEMPLATE,
        .off = CONF(manifest),
        .flags = OPT_REQUIRED,
        .help = "key of the object that lists and hashes the results; outside of destination"},
    {.name = "flatten",
        .type = OPT_BOOL,
        .off = CONF(flatten),
        .def = "no",
        .help = "drop the folders of the archive's members"},
    {.name = "copies",
        .type = OPT_STRMAP,
        .off = CONF(copies),
        .help = "objects to copy along, from key: to key or folder; a missing one is worth a warning"},
    {.name = "copies_if_present",
        .type = OPT_STRMAP,
        .off = CONF(copies_if_present),
        .help = "objects to copy along when they are there, from key: to key or folder"},
    {.name = "max_total_bytes",
        .type = OPT_SIZE,
        .off = CONF(limits.max_total_bytes),
        .def = "16GiB",
        .min = "1B",
        .help = "largest archive, unpacked"},
    {.name = "max_member_bytes",
        .type = OPT_SIZE,
        .off = CONF(limits.max_member_bytes),
        .def = "1GiB",
        .min = "1B",
        .help = "largest file in it"},
    {.name = "max_members",
        .type = OPT_INT,
        .off = CONF(limits.max_members),
        .def = "20000",
        .min = "1",
        .max = "100000",
        .help = "most files and folders in it"},
    {.name = "max_ratio",
        .type = OPT_INT,
        .off = CONF(limits.max_ratio),
        .def = "200",
        .min = "1",
        .max = "1100",
        .help = "most bytes out per byte in"},
    {.name = "ratio_counts_after_bytes",
        .type = OPT_SIZE,
        .off = CONF(limits.ratio_counts_after_bytes),
        .def = "1MiB",
        .min = "0B",
        .help = "bytes out before max_ratio applies"},
    {.name = "max_path_bytes",
        .type = OPT_INT,
        .off = CONF(limits.max_path_bytes),
        .def = "900",
        .min = "1",
        .max = "1024",
        .help = "longest name of a file in the archive"},
    {.name = "max_header_bytes",
        .type = OPT_SIZE,
        .off = CONF(limits.max_header_bytes),
        .def = "1MiB",
        .min = "1KiB",
        .max = "16MiB",
        .help = "largest extended header read into memory"},
    {.name = "max_chunks",
        .type = OPT_INT,
        .off = CONF(max_chunks),
        .def = "10000",
        .min = "1",
        .max = "100000",
        .help = "most pieces of one archive"},
    {.name = "max_manifest_bytes",
        .type = OPT_SIZE,
        .off = CONF(max_manifest_bytes),
        .def = "64KiB",
        .min = "1KiB",
        .max = "1MiB",
        .help = "largest check file"},
    OPT_END,
};

static const struct opt unzip_run_opts[] = {
    RUN_NAMES_CONFIG_OPTS(struct unzip_run_conf),
    {.name = "file_chunks",
        .type = OPT_STRLIST,
        .off = RUN(file_chunks),
        .help = "keys of the pieces; by default whatever is there when the run starts"},
    {.name = "cloud_files",
        .type = OPT_STRLIST,
        .off = RUN(cloud_files),
        .help = "keys to copy along instead of those of copies, into the folder of its first entry"},
    {.name = "instrument_log_file",
        .type = OPT_KEY,
        .off = RUN(instrument_log_file),
        .help = "key of the check file; by default the one named by the asset"},
    OPT_END,
};

static int unzip_check(const void *arg, struct err *err)
{
	const struct unzip_conf *conf = arg;
	size_t n = strlen(conf->destination);

	if (n == 0 || conf->destination[n - 1] != '/')
		return err_set(err, ERR_CONFIG, "destination: a folder ends with a slash");
	if (strncmp(conf->manifest, conf->destination, n) == 0)
		return err_set(err, ERR_CONFIG,
		    "manifest: it must lie outside of destination, or it would be taken for data");
	return run_names_check(&conf->names, err);
}

const struct asset_type asset_unzip_chunked_archive = {
    .name = "unzip_chunked_archive",
    .summary = "unpack a .tar.gz that arrived in numbered pieces, one object per file",
    .code_version = "1",
    .opts = unzip_opts,
    .conf_size = sizeof(struct unzip_conf),
    .run_opts = unzip_run_opts,
    .run_conf_size = sizeof(struct unzip_run_conf),
    .check = unzip_check,
};
