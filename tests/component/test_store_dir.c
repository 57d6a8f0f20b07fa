/* What only a folder can do wrong: links, races, full disks, crashes, names, and the order of a walk. */
#include "config.h"

#include "tests/tap.h"

#include "base/strvec.h"
#include "store/dir.h"
#include "store/dir_path.h"
#include "store/dir_walk.h"
#include "store/sync.h"

#include <dirent.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

static struct event_base *base;

static char *in(const char *dir, const char *name)
{
	return fs_join(dir, name);
}

static struct store *open_dir(const char *path)
{
	static struct store_dir_conf conf;
	struct err err = ERR_INIT;

	conf = (struct store_dir_conf){.path = (char *)path, .create = true};
	struct store *st = store_open(&store_dir, "t", &conf, base, &err);
	if (st == NULL)
		tap_bail("%s", err.text);
	return st;
}

static char *fresh(const char *name)
{
	char *path = in(test_dir(), name);

	fs_remove_tree(path, NULL);
	fs_mkdirs(path, 0755, NULL);
	return path;
}

static int put(struct store *st, const char *key, const char *text, struct err *err)
{
	return store_sync_put(st, key, text, strlen(text), NULL, NULL, err);
}

static bool has(struct store *st, const char *key)
{
	struct store_entry e = {0};
	struct err err = ERR_INIT;
	int rc = store_sync_head(st, key, &e, &err);

	store_entry_release(&e);
	return rc == 0;
}

static bool fails(int rc, const struct err *err, enum err_class class, const char *code)
{
	if (rc == -1 && err->class == class && err_is(err, code))
		return true;
	diag("rc %d class %s code '%s' text '%s'", rc, err_class_name(err->class), err->code, err->text);
	return false;
}

static void write_file(const char *dir, const char *name, const char *text)
{
	char *path = in(dir, name);

	fs_write_atomic(path, text, strlen(text), 0644, NULL);
	free(path);
}

static size_t count(struct store *st, const char *prefix)
{
	struct store_listing l = {0};
	struct err err = ERR_INIT;

	if (store_sync_list(st, prefix, 1000000, &l, &err) == -1)
		return SIZE_MAX;
	size_t n = l.n;
	store_listing_release(&l);
	return n;
}

static int entries(const char *dir, const char *sub)
{
	char *cmd = xasprintf("test $(ls -A '%s/%s' 2>/dev/null | wc -l) -eq 0", dir, sub);
	int rc = system(cmd);

	free(cmd);
	return rc;
}

static void test_no_way_out(void)
{
	char *dir = fresh("links"), *outside = fresh("outside"), *p;
	struct store *st = open_dir(dir);
	struct err err = ERR_INIT;
	struct strbuf sb = STRBUF_INIT(100);
	static const char *const targets[][2] = {{"dirlink", "../outside"}, {"abs", "/"},
	    {"filelink", "../outside/secret"}, {"loop", "loop"}, {"inside", "real"}};

	write_file(outside, "secret", "secret");
	put(st, "real/x", "x", &err);
	for (size_t i = 0; i < NITEMS(targets); i++) {
		p = in(dir, targets[i][0]);
		is_int(symlink(targets[i][1], p), 0, targets[i][0]);
		free(p);
	}
	static const char *const through[] = {
	    "dirlink/secret", "abs/etc/passwd", "filelink", "loop", "loop/x", "inside/x"};
	for (size_t i = 0; i < NITEMS(through); i++) {
		ok(fails(
		       store_sync_get(st, through[i], NULL, &sb, NULL, &err), &err, ERR_PERMANENT, "not_found"),
		    "%s is no object", through[i]);
		ok(store_sync_delete(st, through[i], NULL, &err) == 0, "deleting it touches nothing");
	}
	ok(fails(put(st, "dirlink/new", "x", &err), &err, ERR_PERMANENT, "key_conflict"),
	    "no put through a link");
	ok(fails(put(st, "inside/new", "x", &err), &err, ERR_PERMANENT, "key_conflict"),
	    "not even through one that stays");
	is_int(count(st, ""), 1, "links are not listed");
	ok(put(st, "filelink", "mine", &err) == 0, "a put of the link's own name replaces the link");
	p = in(outside, "secret");
	ok(fs_read(p, &sb, &err) == 0 && strcmp(sb.buf, "secret") == 0, "what it pointed to is untouched");
	free(p);
	store_close(st);
	strbuf_release(&sb);
	free(dir), free(outside);
}

static void test_stepwise(void)
{
	char *dir = fresh("steps"), *link = in(dir, "l"), *deep = in(dir, "a/b");
	int root = open(dir, O_RDONLY | O_DIRECTORY);

	fs_mkdirs(deep, 0755, NULL);
	write_file(dir, "a/b/f", "x");
	is_int(symlink("a", link), 0, "link");
	static const struct {
		const char *path;
		int e;
	} t[] = {{"", 0}, {"a", 0}, {"a/b/f", 0}, {"a/no/f", ENOENT}, {"l", ELOOP}, {"a/b/f/x", ENOTDIR}};
	for (size_t i = 0; i < NITEMS(t); i++) {
		int slow = dir_open_stepwise(root, t[i].path, O_RDONLY), e = slow == -1 ? errno : 0;
		int fast = dir_open(root, t[i].path, O_RDONLY), e2 = fast == -1 ? errno : 0;

		ok(e == t[i].e && e2 == t[i].e, "'%s': both ways errno %d (%d, %d)", t[i].path, t[i].e, e, e2);
		close(slow), close(fast);
	}
	int fd = dir_open_stepwise(root, "l/b/f", O_RDONLY);
	ok(fd == -1 && (errno == ELOOP || errno == ENOTDIR),
	    "a link on the way is refused without openat2 too");
	close(root);
	free(dir), free(link), free(deep);
}

static void test_conflicts(void)
{
	char *dir = fresh("conflicts"), *p;
	struct store *st = open_dir(dir);
	struct err err = ERR_INIT;
	struct store_put_opts absent = {.if_absent = true};

	put(st, "a/b", "x", &err);
	ok(fails(put(st, "a", "y", &err), &err, ERR_PERMANENT, "key_conflict"),
	    "an object where others lie below");
	diag("%s", err.text);
	ok(fails(store_sync_put(st, "a", "y", 1, &absent, NULL, &err), &err, ERR_PERMANENT, "key_conflict"),
	    "create-only too");
	ok(fails(put(st, "a/b/c", "y", &err), &err, ERR_PERMANENT, "key_conflict"),
	    "an object below an object");
	diag("%s", err.text);
	ok(!has(st, "a") && has(st, "a/b"), "nothing changed");
	p = in(dir, "empty");
	is_int(mkdir(p, 0755), 0, "an empty folder");
	free(p);
	ok(put(st, "empty", "y", &err) == 0 && has(st, "empty"), "is no conflict");
	p = in(dir, "fifo");
	is_int(mkfifo(p, 0644), 0, "a FIFO");
	free(p);
	ok(!has(st, "fifo") && count(st, "fifo") == 0, "is no object, and nobody hangs");
	store_sync_delete(st, "a/b", NULL, &err);
	p = in(dir, "a");
	ok(!fs_exists(p), "an empty parent goes with its last object");
	free(p);
	ok(put(st, "a", "y", &err) == 0, "and its name is free");
	is_int(entries(dir, ".orch/tmp"), 0, "no temporary file is left");
	is_int(count(st, ""), 2, "the reserved folder is not listed");
	store_close(st);
	free(dir);
}

static void test_foreign_writers(void)
{
	char *dir = fresh("foreign"), *path = in(dir, "k"), sum[SHA256_HEX];
	struct store *st = open_dir(dir);
	struct err err = ERR_INIT;
	struct store_entry e = {0}, f = {0};

	sha256_hex("one", 3, sum);
	struct store_put_opts o = {.sha256 = sum};
	store_sync_put(st, "k", "one", 3, &o, &e, &err);
	/* In place, same size: what a program that knows nothing of us would do. */
	int fd = open(path, O_WRONLY);
	ok(write(fd, "two", 3) == 3, "overwrite in place");
	close(fd);
	ok(store_sync_head(st, "k", &f, &err) == 0 && strcmp(f.etag, e.etag) != 0, "the ETag has changed");
	is_str(f.sha256, "", "and the recorded sum no longer counts");
	store_entry_release(&e), store_entry_release(&f);
	write_file(dir,
	    "bad\xff"
	    "name",
	    "x");
	write_file(dir, "plain", "x");
	is_int(count(st, ""), 2, "a name that is not UTF-8 is passed over");
	store_close(st);
	free(dir), free(path);
}

/* The walk against a sort of all keys, on random trees of provoking names, in small batches. */
static const char *const bits[] = {"a", "b", "a.b", "a-", "a0", "a!", "\xc3\xa9", "z", "0", "a b", "A"};

static void random_key(char *key, size_t size, unsigned *seed)
{
	int depth = 1 + rand_r(seed) % 3;
	size_t n = 0;

	for (int d = 0; d < depth; d++)
		n += (size_t)snprintf(key + n, size - n, "%s%s%d", d ? "/" : "",
		    bits[(size_t)rand_r(seed) % NITEMS(bits)], rand_r(seed) % 4);
}

static void walk_all(
    int root, const char *prefix, const char *after, size_t batch, size_t step, struct strvec *out)
{
	struct dir_walk *w = dir_walk_new(root, prefix, after, batch);
	struct dir_entry e;
	struct err err = ERR_INIT;
	enum dir_walk_result r;

	do {
		size_t budget = step;

		while ((r = dir_walk_next(w, &e, &budget, &err)) == DIR_WALK_ENTRY)
			strvec_push(out, e.key);
	} while (r == DIR_WALK_AGAIN);
	if (r == DIR_WALK_ERROR)
		diag("walk: %s", err.text);
	dir_walk_free(w);
}

static void test_walk(void)
{
	static const char *const prefixes[] = {"", "a", "a0", "a0/", "a.b1/b", "b2/a0", "\xc3\xa9"};
	unsigned seed = (unsigned)getpid();
	int wrong = 0, cases = 0;

	diag("seed %u", seed);
	for (int round = 0; round < 12; round++) {
		char *dir = fresh("walk"), key[200];
		struct store *st = open_dir(dir);
		struct strvec all = {0};
		struct store_put_opts lazy = {.lazy = true};
		int root = open(dir, O_RDONLY | O_DIRECTORY);

		for (int i = 0; i < 120; i++) {
			random_key(key, sizeof(key), &seed);
			if (store_sync_put(st, key, "", 0, &lazy, NULL, NULL) == 0 && !strvec_has(&all, key))
				strvec_push(&all, key);
		}
		strvec_sort(&all);
		for (int k = 0; k < 40; k++) {
			const char *prefix = prefixes[(size_t)rand_r(&seed) % NITEMS(prefixes)], *after = NULL;
			struct strvec got = {0};
			size_t at = 0;

			if (rand_r(&seed) % 2) {
				random_key(key, sizeof(key), &seed);
				after = key;
			}
			walk_all(root, prefix, after, 1 + (size_t)rand_r(&seed) % 9,
			    1 + (size_t)rand_r(&seed) % 20, &got);
			for (size_t i = 0; i < all.n; i++) {
				if (strncmp(all.v[i], prefix, strlen(prefix)) != 0 ||
				    (after && strcmp(all.v[i], after) <= 0))
					continue;
				if (at >= got.n || strcmp(got.v[at], all.v[i]) != 0) {
					diag("prefix '%s' after '%s': got %s want %s", prefix,
					    after ? after : "", at < got.n ? got.v[at] : "-", all.v[i]);
					wrong++;
					break;
				}
				at++;
			}
			wrong += at != got.n;
			cases++;
			strvec_release(&got);
		}
		strvec_release(&all);
		close(root);
		store_close(st);
		free(dir);
	}
	is_int(wrong, 0, "walks agree with the sorted keys");
	diag("%d walks", cases);
}

/* Children create and delete in the same folders; whoever is last must find what it wrote. */
static void test_races(void)
{
	enum { N = 4, ROUNDS = 150 };
	char *dir = fresh("races");
	struct store *st;
	struct err err = ERR_INIT;
	int bad = 0;

	for (int c = 0; c < N; c++) {
		if (fork() != 0)
			continue;
		event_reinit(base);
		st = open_dir(dir);
		for (int i = 0; i < ROUNDS; i++) {
			struct store_put_opts lazy = {.lazy = true};
			char key[40];

			snprintf(key, sizeof(key), "x/y/%d/z%d", i % 3, c);
			if (store_sync_put(st, key, "x", 1, &lazy, NULL, &err) == -1 || !has(st, key) ||
			    store_sync_delete(st, key, NULL, &err) == -1 || has(st, key)) {
				fprintf(stderr, "# child %d: %s\n", c, err.text);
				_exit(1);
			}
			if (i % 10 == 0)
				count(st, "");
		}
		_exit(0);
	}
	for (int c = 0; c < N; c++) {
		int status;
		wait(&status);
		bad += status != 0;
	}
	is_int(bad, 0, "creators and deleters of shared folders never trip over each other");
	st = open_dir(dir);
	is_int(count(st, ""), 0, "nothing is left");
	char *x = in(dir, "x");
	ok(!fs_exists(x), "not even the folders");
	free(x);
	store_close(st);
	free(dir);
}

/* Conditional puts from several processes: a counter that loses no increment. */
static void test_compare_and_swap(void)
{
	enum { N = 3, ROUNDS = 60 };
	char *dir = fresh("cas");
	struct store *st = open_dir(dir);
	struct err err = ERR_INIT;
	struct strbuf sb = STRBUF_INIT(100);
	int bad = 0;

	put(st, "n", "0", &err);
	store_close(st);
	for (int c = 0; c < N; c++) {
		if (fork() != 0)
			continue;
		event_reinit(base);
		st = open_dir(dir);
		for (int i = 0; i < ROUNDS;) {
			struct store_entry e = {0};
			char text[20];

			strbuf_reset(&sb);
			if (store_sync_get(st, "n", NULL, &sb, &e, &err) == -1)
				_exit(1);
			snprintf(text, sizeof(text), "%ld", strtol(sb.buf, NULL, 10) + 1);
			struct store_put_opts o = {.if_match = e.etag, .lazy = true};
			if (store_sync_put(st, "n", text, strlen(text), &o, NULL, &err) == 0)
				i++;
			else if (!err_is(&err, "precondition"))
				_exit(2);
			store_entry_release(&e);
		}
		_exit(0);
	}
	for (int c = 0; c < N; c++) {
		int status;
		wait(&status);
		bad += status != 0;
	}
	is_int(bad, 0, "children of the counter");
	st = open_dir(dir);
	strbuf_reset(&sb);
	ok(store_sync_get(st, "n", NULL, &sb, NULL, &err) == 0 && strtol(sb.buf, NULL, 10) == N * ROUNDS,
	    "no increment is lost: %s", sb.buf);
	store_close(st);
	strbuf_release(&sb);
	free(dir);
}

/* A writer killed at any instant leaves a whole object, old or new. */
static void test_kill(void)
{
	enum { N = 40, SIZE = 1 << 20 };
	char *dir = fresh("kill"), *buf = xmalloc(SIZE);
	struct store *st;
	struct err err = ERR_INIT;
	unsigned seed = (unsigned)getpid();
	int torn = 0, seen = 0, rubbish = 0;

	for (int i = 0; i < N; i++) {
		pid_t child = fork();

		if (child == 0) {
			event_reinit(base);
			st = open_dir(dir);
			for (int k = 0;; k++) {
				struct store_put_opts lazy = {.lazy = k % 8 != 0};
				memset(buf, 'a' + k % 26, SIZE);
				store_sync_put(st, "one", buf, SIZE, &lazy, NULL, &err);
			}
		}
		usleep(500 + (useconds_t)(rand_r(&seed) % 20000));
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		rubbish += entries(dir, ".orch/tmp") != 0;
		st = open_dir(dir);
		struct strbuf sb = STRBUF_INIT(SIZE);
		if (store_sync_get(st, "one", NULL, &sb, NULL, &err) == 0) {
			seen++;
			for (size_t b = 1; b < sb.len; b++)
				if (sb.buf[b] != sb.buf[0]) {
					torn++;
					break;
				}
			torn += sb.len != SIZE;
		}
		strbuf_release(&sb);
		if (entries(dir, ".orch/tmp") != 0)
			torn += 1000;
		store_close(st);
	}
	is_int(torn, 0, "killed at random instants: no torn object, no rubbish after the next open");
	ok(seen > 0, "an object was there %d times of %d, %d kills left a temporary file", seen, N, rubbish);
	free(dir), free(buf);
}

static char *only_entry(const char *dir, const char *sub)
{
	char *path = in(dir, sub), *name = NULL;
	DIR *d = opendir(path);
	struct dirent *de;

	while (d != NULL && (de = readdir(d)) != NULL)
		if (de->d_name[0] != '.')
			xstrset(&name, de->d_name);
	if (d != NULL)
		closedir(d);
	free(path);
	return name;
}

static void on_put(const struct store_object *o, const struct err *err, void *arg)
{
	*(struct err *)arg = err ? *err : (struct err){.class = ERR_BUG};
}

/* Who sweeps removes by name what it has found to be nobody's: no later file may have that name. */
static void test_temporary_names(void)
{
	char *dir = fresh("names"), *bytes = xcalloc(1, 4 << 20), *name;
	struct strvec seen = {0};
	struct err err = ERR_INIT;
	struct store *st;

	for (int i = 0; i < 20; i++) {
		st = open_dir(dir);
		store_put(st, "big", bytes, 4 << 20, NULL, NULL, NULL);
		event_base_loop(base, EVLOOP_ONCE);
		name = only_entry(dir, ".orch/tmp");
		if (name == NULL || strvec_has(&seen, name))
			diag("again: %s", name ? name : "none");
		else
			strvec_push(&seen, name);
		free(name);
		store_close(st);
	}
	is_int(seen.n, 20, "a store that is opened again takes other names");

	st = open_dir(dir);
	store_put(st, "a/big", bytes, 4 << 20, NULL, on_put, &err);
	event_base_loop(base, EVLOOP_ONCE);
	name = only_entry(dir, ".orch/tmp");
	char *tmp = in(dir, ".orch/tmp"), *path = in(tmp, name ? name : "none");
	ok(unlink(path) == 0, "a temporary file is removed under its put");
	while (err.class == ERR_NONE)
		event_base_loop(base, EVLOOP_ONCE);
	ok(err.class == ERR_TRANSIENT && err_is(&err, "swept"), "which says so, at once: %s", err.text);
	is_int(count(st, ""), 0, "and leaves nothing");
	char *folder = in(dir, "a");
	ok(!fs_exists(folder), "nor a folder");
	store_close(st);
	strvec_release(&seen);
	free(folder);
	free(path), free(tmp), free(name), free(bytes), free(dir);
}

/* A temporary file of a live writer is not swept away by another open. */
static void test_sweep_spares_the_living(void)
{
	char *dir = fresh("sweep"), *bytes = xcalloc(1, 4 << 20);
	struct store *a = open_dir(dir), *b;
	struct err err = ERR_INIT;
	int fd = open(dir, O_RDONLY);

	store_put(a, "big", bytes, 4 << 20, NULL, NULL, NULL);
	event_base_loop(base, EVLOOP_ONCE);
	ok(entries(dir, ".orch/tmp") != 0, "a put is under way");
	b = open_dir(dir);
	ok(entries(dir, ".orch/tmp") != 0, "opening the store elsewhere spares it");
	store_close(b);
	store_close(a);
	is_int(entries(dir, ".orch/tmp"), 0, "cancelling removes it");
	write_file(dir, ".orch/tmp/1-dead-7", "half");
	b = open_dir(dir);
	is_int(entries(dir, ".orch/tmp"), 0, "one without a writer goes");
	ok(put(b, "k", "x", &err) == 0, "put");
	char *own = in(dir, ".orch");
	fs_remove_tree(own, NULL);
	free(own);
	ok(put(b, "k", "y", &err) == 0, "the reserved folder comes back when somebody removed it");
	store_close(b);
	close(fd);
	free(dir), free(bytes);
}

static void test_full_disk(void)
{
	char *dir = fresh("full"), *buf = xcalloc(1, 3 << 20);
	struct err err = ERR_INIT;

	if (unshare(CLONE_NEWNS) == -1 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == -1 ||
	    mount("tmpfs", dir, "tmpfs", 0, "size=4m") == -1) {
		tap_skip("a small tmpfs needs the right to mount");
		free(dir), free(buf);
		return;
	}
	struct store *st = open_dir(dir);
	struct store_entry e = {0};
	ok(store_sync_put(st, "a", buf, 3 << 20, NULL, NULL, &err) == 0, "the first 3 MiB fit a disk of 4");
	ok(fails(store_sync_put(st, "b", buf, 3 << 20, NULL, NULL, &err), &err, ERR_TRANSIENT, "disk_full"),
	    "the second are a transient error: %s", err.text);
	ok(fails(store_sync_put(st, "a", buf, 3 << 20, NULL, NULL, &err), &err, ERR_TRANSIENT, "disk_full"),
	    "overwriting too");
	ok(store_sync_head(st, "a", &e, &err) == 0 && e.size == 3 << 20, "the old object is whole");
	store_entry_release(&e);
	is_int(entries(dir, ".orch/tmp"), 0, "no temporary file eats the rest");
	ok(store_sync_delete(st, "a", NULL, &err) == 0 &&
	        store_sync_put(st, "b", buf, 3 << 20, NULL, NULL, &err) == 0,
	    "room made, it goes on");
	store_close(st);
	umount(dir);
	free(dir), free(buf);
}

static void test_read_only(void)
{
	char *dir = fresh("ro");
	struct err err = ERR_INIT;

	write_file(dir, "k", "x");
	if (mount(dir, dir, NULL, MS_BIND, NULL) == -1 ||
	    mount(NULL, dir, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL) == -1) {
		tap_skip("a read-only mount needs the right to mount");
		free(dir);
		return;
	}
	struct store *st = open_dir(dir);
	ok(has(st, "k") && count(st, "") == 1, "a read-only folder can be read");
	ok(fails(put(st, "new", "x", &err), &err, ERR_PERMANENT, "denied"),
	    "and says why it cannot be written");
	ok(fails(store_sync_delete(st, "k", NULL, &err), &err, ERR_PERMANENT, "denied"), "or deleted from");
	store_close(st);
	umount(dir);
	free(dir);
}

/* As somebody who may not: root is asked to step down for it. */
static void test_denied(void)
{
	char *dir = fresh("denied"), *closed = in(dir, "closed");
	struct strbuf sb = STRBUF_INIT(10);
	struct err err = ERR_INIT;

	if (geteuid() != 0) {
		tap_skip("only root can step down");
		free(dir), free(closed);
		return;
	}
	struct store *st = open_dir(dir);
	put(st, "open/k", "x", &err);
	put(st, "closed/k", "x", &err);
	is_int(chmod(closed, 0700), 0, "a folder of root's own");
	is_int(seteuid(65534), 0, "step down");
	ok(fails(put(st, "open/new", "x", &err), &err, ERR_PERMANENT, "denied"), "put: %s", err.text);
	ok(fails(store_sync_delete(st, "open/k", NULL, &err), &err, ERR_PERMANENT, "denied"), "delete: %s",
	    err.text);
	ok(fails(store_sync_get(st, "closed/k", NULL, &sb, NULL, &err), &err, ERR_PERMANENT, "denied"),
	    "get: %s", err.text);
	ok(count(st, "open/") == 1, "what can be read is listed");
	struct store_listing l = {0};
	ok(fails(store_sync_list(st, "", 100, &l, &err), &err, ERR_PERMANENT, "denied"),
	    "a listing that cannot see all is none: %s", err.text);
	is_int(seteuid(0), 0, "step up");
	ok(has(st, "open/k") && has(st, "closed/k"), "everything is still there");
	store_close(st);
	strbuf_release(&sb);
	free(dir), free(closed);
}

static void on_nothing(const struct store_object *o, const struct err *err, void *arg)
{
	*(int *)arg += err ? 100 : 1;
}

/* 100,000 keys: listed without the loop standing still for long. */
static void test_many(void)
{
	enum { N = 100000 };
	char *dir = fresh("many"), name[40];
	struct timespec t0, t1;
	struct store *st = open_dir(dir);

	char *sub = in(dir, "raw");
	fs_mkdirs(sub, 0755, NULL);
	int fd = open(sub, O_RDONLY | O_DIRECTORY);
	for (int i = 0; i < N; i++) {
		snprintf(name, sizeof(name), "fpi05_uao_%08d.tar.gz%06d", i / 17, i % 17);
		close(openat(fd, name, O_CREAT | O_WRONLY, 0644));
	}
	close(fd);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t0);
	size_t n = count(st, "raw/");
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t1);
	is_int(n, N, "100,000 keys in one folder");
	diag("%.0f ms of CPU", (double)(t1.tv_sec - t0.tv_sec) * 1e3 + (double)(t1.tv_nsec - t0.tv_nsec) / 1e6);
	int calls = 0;
	store_head(st, "raw/fpi05_uao_00000000.tar.gz000000", on_nothing, &calls);
	store_close(st);
	is_int(calls, 0, "closed before its first turn: no callback");
	free(sub), free(dir);
}

static void test_errno_classes(void)
{
	static const struct {
		int e;
		enum err_class class;
		const char *code;
	} t[] = {{ENOSPC, ERR_TRANSIENT, "disk_full"}, {EDQUOT, ERR_TRANSIENT, "disk_full"},
	    {EIO, ERR_TRANSIENT, ""}, {EMFILE, ERR_TRANSIENT, ""}, {ESTALE, ERR_TRANSIENT, "stale"},
	    {EACCES, ERR_PERMANENT, "denied"}, {EPERM, ERR_PERMANENT, "denied"},
	    {EROFS, ERR_PERMANENT, "denied"}, {ENOENT, ERR_PERMANENT, "not_found"},
	    {EISDIR, ERR_PERMANENT, "key_conflict"}, {ENAMETOOLONG, ERR_PERMANENT, "bad_key"}};

	for (size_t i = 0; i < NITEMS(t); i++) {
		struct err err = ERR_INIT;

		errno = t[i].e;
		ok(dir_errno(&err, "put", "k") == -1 && err.class == t[i].class && err_is(&err, t[i].code),
		    "%s: %s", strerror(t[i].e), err.text);
	}
}

static void test_options(void)
{
	struct err err = ERR_INIT;
	char *missing = in(test_dir(), "not-there"), *file = in(test_dir(), "a-file");
	struct store_dir_conf conf = {.path = missing, .create = false};

	ok(store_open(&store_dir, "t", &conf, base, &err) == NULL && err.class == ERR_CONFIG &&
	        strstr(err.text, "not-there"),
	    "a missing folder is not made when create is off: %s", err.text);
	conf.create = true;
	struct store *st = store_open(&store_dir, "t", &conf, base, &err);
	ok(st != NULL, "and made when it is on");
	store_close(st);
	fs_write_atomic(file, "", 0, 0644, NULL);
	conf.path = file;
	ok(store_open(&store_dir, "t", &conf, base, &err) == NULL, "a file is no folder: %s", err.text);
	free(missing), free(file);
}

int main(void)
{
	base = event_base_new();
	tap_run(test_errno_classes);
	tap_run(test_options);
	tap_run(test_no_way_out);
	tap_run(test_stepwise);
	tap_run(test_conflicts);
	tap_run(test_foreign_writers);
	tap_run(test_walk);
	tap_run(test_races);
	tap_run(test_temporary_names);
	tap_run(test_compare_and_swap);
	tap_run(test_kill);
	tap_run(test_sweep_spares_the_living);
	tap_run(test_many);
	tap_run(test_denied);
	tap_run(test_full_disk);
	tap_run(test_read_only);
	event_base_free(base);
	return tap_done();
}
