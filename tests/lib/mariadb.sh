#!/bin/sh
# A MariaDB server of its own for tests, in the foreground until it is killed.
#
#     mariadb.sh DIR PORT [SERVER OPTION...]
#
# DIR is made when missing; a second start on it finds the data of the first.  Socket DIR/s.sock, log DIR/m.err.  Root
# needs no password on the socket; account orch, password orchpw, owns every database called orch or orch_*.  TLS is on
# offer: DIR/tls/ca.pem signed the server's certificate, DIR/tls/other.pem did not.
# Exit code 77: there is no server, or no openssl, on this machine.
set -eu

dir=$1
port=$2
shift 2

PATH=$PATH:/usr/sbin
command -v mariadbd >/dev/null && command -v mariadb-install-db >/dev/null && command -v openssl >/dev/null || exit 77

certificates() {
	mkdir -p "$dir/tls"
	cd "$dir/tls"
	for ca in ca other; do
		openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=test $ca" \
			-keyout "$ca.key" -out "$ca.pem"
	done
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj '/CN=server' -keyout server.key -out server.csr
	printf 'subjectAltName = DNS:localhost, IP:127.0.0.1\n' >san
	openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile san -out server.pem
	cd - >/dev/null
}

if [ ! -e "$dir/ready" ]; then
	mkdir -p "$dir/data" "$dir/tmp"
	chmod 700 "$dir/data"
	certificates >"$dir/tls.log" 2>&1
	cat >"$dir/my.cnf" <<-EOF
	[mariadbd]
	user = $(id -un)
	datadir = $dir/data
	tmpdir = $dir/tmp
	socket = $dir/s.sock
	pid-file = $dir/m.pid
	log-error = $dir/m.err
	init-file = $dir/init.sql
	bind-address = 127.0.0.1
	skip-name-resolve
	skip-log-bin
	character-set-server = utf8mb4
	innodb_buffer_pool_size = 32M
	innodb_log_file_size = 16M
	innodb_flush_log_at_trx_commit = 2
	key_buffer_size = 1M
	aria_pagecache_buffer_size = 1M
	max_connections = 50
	table_open_cache = 200
	open_files_limit = 1024
	ssl-ca = $dir/tls/ca.pem
	ssl-cert = $dir/tls/server.pem
	ssl-key = $dir/tls/server.key
	EOF
	: >"$dir/init.sql"
	mariadb-install-db --defaults-file="$dir/my.cnf" --user="$(id -un)" --auth-root-authentication-method=normal \
		--skip-test-db --skip-name-resolve --force >"$dir/install.log" 2>&1
	for host in 127.0.0.1 localhost; do
		printf "CREATE USER IF NOT EXISTS 'orch'@'%s' IDENTIFIED BY 'orchpw';\n" "$host"
		printf "GRANT ALL ON \`orch\`.* TO 'orch'@'%s';\n" "$host"
		printf "GRANT ALL ON \`orch\\\\_%%\`.* TO 'orch'@'%s';\n" "$host"
	done >"$dir/init.sql"
	printf 'CREATE DATABASE IF NOT EXISTS orch CHARACTER SET utf8mb4;\n' >>"$dir/init.sql"
	: >"$dir/ready"
fi
exec mariadbd --defaults-file="$dir/my.cnf" --port="$port" "$@"
