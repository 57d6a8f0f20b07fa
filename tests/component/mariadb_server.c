#include "config.h"

#include "tests/component/mariadb_server.h"

#include "base/clock.h"
#include "tests/tap.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define START_DEADLINE_MS 60000
#define NO_SERVER         77

static struct {
	pid_t pid;
	int port;
	char dir[320], socket[340];
} server;

int mariadb_port(void)
{
	return server.port;
}

const char *mariadb_tls_file(const char *name)
{
	static char path[4][400];
	static unsigned turn;
	char *p = path[turn++ % NITEMS(path)];

	snprintf(p, sizeof(path[0]), "%s/tls/%s", server.dir, name);
	return p;
}

static int free_port(void)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd == -1 || bind(fd, (struct sockaddr *)&in, n) == -1 ||
	    getsockname(fd, (struct sockaddr *)&in, &n) == -1)
		tap_bail("no free port");
	close(fd);
	return ntohs(in.sin_port);
}

static void child_exec(const char *option)
{
	char script[512], port[16];

	/* The server dies with the test, whatever ends that. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(script, sizeof(script), "%s", test_src("tests/lib/mariadb.sh"));
	snprintf(port, sizeof(port), "%d", server.port);
	execl(script, script, server.dir, port, option, (char *)NULL);
	_exit(127);
}

static struct database *try_root(struct err *err)
{
	struct mysql_conf c = {.socket = server.socket,
	    .user = (char *)"root",
	    .database = (char *)"mysql",
	    .connect_timeout = 5000,
	    .timeout = 30000};

	return mariadb_open(&c, err);
}

/* 0: answers; 1: there is no server here; otherwise it bails out. */
static int wait_ready(void)
{
	tm_ms deadline = clock_mono() + START_DEADLINE_MS;
	struct err err = ERR_INIT;
	struct database *db;
	int status;

	while ((db = try_root(&err)) == NULL) {
		if (waitpid(server.pid, &status, WNOHANG) == server.pid) {
			server.pid = 0;
			if (WIFEXITED(status) && WEXITSTATUS(status) == NO_SERVER)
				return 1;
			tap_bail("mariadb ended with status %d, see %s", status, server.dir);
		}
		if (clock_mono() > deadline)
			tap_bail("mariadb does not answer: %s", err.text);
		usleep(20000);
	}
	db_close(db);
	return 0;
}

bool mariadb_start(const char *dir, const char *option)
{
	if (server.port == 0) {
		server.port = free_port();
		snprintf(server.dir, sizeof(server.dir), "%s/mariadb", dir);
		snprintf(server.socket, sizeof(server.socket), "%s/s.sock", server.dir);
		atexit(mariadb_kill);
	}
	fflush(stdout);
	server.pid = fork();
	if (server.pid == -1)
		tap_bail("fork failed");
	if (server.pid == 0)
		child_exec(option);
	return wait_ready() == 0;
}

void mariadb_kill(void)
{
	if (server.pid <= 0)
		return;
	kill(server.pid, SIGKILL);
	waitpid(server.pid, NULL, 0);
	server.pid = 0;
}

void mariadb_freeze(void)
{
	int status;

	kill(server.pid, SIGSTOP);
	if (waitpid(server.pid, &status, WUNTRACED) != server.pid || !WIFSTOPPED(status))
		tap_bail("the server does not stop");
}

void mariadb_thaw(void)
{
	kill(server.pid, SIGCONT);
}

struct database *mariadb_root(void)
{
	struct err err = ERR_INIT;
	struct database *db = try_root(&err);

	if (db == NULL)
		tap_bail("root: %s", err.text);
	return db;
}

void mariadb_root_sql(const char *sql)
{
	struct database *db = mariadb_root();
	struct err err = ERR_INIT;

	if (db_exec(db, sql, NULL, 0, NULL, &err) == -1)
		tap_bail("%s: %s", sql, err.text);
	db_close(db);
}

struct mysql_conf mariadb_conf(const char *database)
{
	return (struct mysql_conf){
	    .host = (char *)"127.0.0.1",
	    .port = server.port,
	    .user = (char *)"orch",
	    .database = (char *)database,
	    .password = {SECRET_LITERAL, (char *)"orchpw"},
	    .connect_timeout = 5000,
	    .timeout = 30000,
	};
}

struct database *mariadb_open(const struct mysql_conf *conf, struct err *err)
{
	return db_open(&db_type_mysql, "results", conf, err);
}
