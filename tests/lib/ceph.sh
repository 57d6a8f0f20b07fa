# ceph.sh: a throw-away Ceph object gateway for tests; sourced by shell tests.
#
#   ceph_missing            prints what is not installed (empty: all there)
#   ceph_start DIR          starts it below DIR; sets CEPH_ENDPOINT CEPH_TLS_ENDPOINT CEPH_CA CEPH_PORT
#   ceph_gateway_kill       the gateway alone; ceph_gateway_start brings it back with its data
#   ceph_stop               kills what ceph_start started
#
# One monitor, one OSD in memory, one gateway, as children that die with this shell.  Two users; the keys of the first:
CEPH_ACCESS_KEY=testaccesskey000001
CEPH_SECRET_KEY=testsecretkey0000000000000000000000001
CEPH_OTHER_ACCESS_KEY=otheraccesskey00002
CEPH_OTHER_SECRET_KEY=othersecretkey000000000000000000000002
CEPH_PIDS=

ceph_missing() {
	for tool in ceph ceph-mon ceph-osd monmaptool radosgw radosgw-admin curl openssl setpriv; do
		command -v $tool >/dev/null || printf '%s ' $tool
	done
}

# A block of 40 ports that nobody listens on.
ceph_ports() {
	for try in 1 2 3 4 5 6 7 8 9 10; do
		CEPH_PORT=$((20000 + ($$ * 41 + try * 977 + $(date +%N | sed 's/^0*//')) % 300 * 40))
		taken=
		for p in 0 1 2 3; do
			(: <"/dev/tcp/127.0.0.1/$((CEPH_PORT + p))") 2>/dev/null && taken=yes
		done
		[ -z "$taken" ] && return 0
	done
	return 1
}

ceph_conf() {
	cat >"$1/ceph.conf" <<C
[global]
fsid = $2
mon host = [v2:127.0.0.1:$((CEPH_PORT + 2)),v1:127.0.0.1:$((CEPH_PORT + 3))]
public addr = 127.0.0.1
ms bind port min = $((CEPH_PORT + 10))
ms bind port max = $((CEPH_PORT + 39))
auth cluster required = none
auth service required = none
auth client required = none
keyring = $1/keyring
run dir = $1/run
log file = $1/log/\$name.log
mon cluster log file = $1/log/cluster.log
pid file = $1/run/\$name.pid
admin socket = $1/run/\$name.\$pid.asok
crash dir = $1/crash
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
mon allow pool size one = true
[mon]
mon data = $1/mon
mon data avail crit = 0
# Without these two the start takes ten times as long.
paxos propose interval = 0.02
paxos min wait = 0.02
[osd]
osd data = $1/osd
osd objectstore = memstore
memstore device bytes = 4294967296
osd client watch timeout = 3
[client]
rgw data = $1/rgw
[client.rgw.s3]
# The gateway insists on an encrypted monitor session, which "none" above cannot give.
ms mon client mode = crc
rgw frontends = beast tcp_nodelay=1 endpoint=127.0.0.1:$CEPH_PORT ssl_endpoint=127.0.0.1:$((CEPH_PORT + 1)) ssl_certificate=$1/tls.crt ssl_private_key=$1/tls.key
rgw dns name = s3.localhost
rgw rados pool pg num min = 4
rgw gc obj min wait = 5
rgw gc processor period = 5
C
}

# Run in the background, dying with this shell.
ceph_daemon() {
	setpriv --pdeathsig KILL "$@" >>"$CEPH_DIR/log/out" 2>&1 &
	CEPH_PIDS="$CEPH_PIDS $!"
	CEPH_LAST=$!
}

ceph_start() {
	CEPH_DIR=$1
	ceph_ports || { echo "# no free block of ports" >&2; return 1; }
	mkdir -p "$1/mon" "$1/osd" "$1/rgw" "$1/run" "$1/log" "$1/crash"
	fsid=$(cat /proc/sys/kernel/random/uuid)
	osdid=$(cat /proc/sys/kernel/random/uuid)
	conf="-c $1/ceph.conf"
	openssl req -x509 -newkey rsa:2048 -nodes -keyout "$1/tls.key" -out "$1/tls.crt" -days 30 -subj /CN=s3.localhost \
		-addext 'subjectAltName=DNS:s3.localhost,DNS:*.s3.localhost,DNS:localhost,IP:127.0.0.1' 2>>"$1/log/out"
	ceph_conf "$1" "$fsid"
	: >"$1/keyring"
	{
		monmaptool --create --fsid "$fsid" --addv a "[v2:127.0.0.1:$((CEPH_PORT + 2)),v1:127.0.0.1:$((CEPH_PORT + 3))]" "$1/monmap" &&
			ceph-mon $conf -i a --mkfs --monmap "$1/monmap"
	} >>"$1/log/out" 2>&1 || return 1
	ceph_daemon ceph-mon $conf -i a -f
	ceph $conf --connect-timeout 20 osd new "$osdid" >>"$1/log/out" 2>&1 || return 1
	ceph-osd $conf -i 0 --mkfs --osd-uuid "$osdid" >>"$1/log/out" 2>&1 || return 1
	ceph_daemon ceph-osd $conf -i 0 -f
	radosgw-admin $conf user create --uid=tester --display-name=Tester --access-key=$CEPH_ACCESS_KEY \
		--secret=$CEPH_SECRET_KEY >>"$1/log/out" 2>&1 || return 1
	radosgw-admin $conf user create --uid=other --display-name=Other --access-key=$CEPH_OTHER_ACCESS_KEY \
		--secret=$CEPH_OTHER_SECRET_KEY >>"$1/log/out" 2>&1 || return 1
	CEPH_ENDPOINT=http://127.0.0.1:$CEPH_PORT
	CEPH_TLS_ENDPOINT=https://127.0.0.1:$((CEPH_PORT + 1))
	CEPH_CA=$1/tls.crt
	ceph_gateway_start
}

ceph_gateway_start() {
	ceph_daemon radosgw -c "$CEPH_DIR/ceph.conf" -n client.rgw.s3 -f
	CEPH_GATEWAY_PID=$CEPH_LAST
	n=0
	until curl -s -o /dev/null "$CEPH_ENDPOINT/"; do
		n=$((n + 1))
		[ $n -lt 600 ] && kill -0 $CEPH_GATEWAY_PID 2>/dev/null || { tail -5 "$CEPH_DIR/log/out" >&2; return 1; }
		sleep 0.05
	done
	# A taken port is not reported: the probe would have met its owner.
	kill -0 $CEPH_GATEWAY_PID 2>/dev/null
}

ceph_gateway_kill() {
	{
		kill -KILL $CEPH_GATEWAY_PID
		wait $CEPH_GATEWAY_PID
	} 2>/dev/null
}

ceph_stop() {
	{
		[ -z "$CEPH_PIDS" ] || kill -KILL $CEPH_PIDS
		wait
	} 2>/dev/null
	CEPH_PIDS=
}
