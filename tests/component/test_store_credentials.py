#!/usr/bin/python3
"""Who we are to an object store: every source of credentials, their order, their renewal, and what is refused."""
import json, os, re, sys, tempfile, time

SRC = os.environ.get("TEST_SRCDIR", ".")
sys.path.insert(0, os.path.join(SRC, "tests/lib"))
sys.dont_write_bytecode = True
from fault_server import HANG, Server, answer  # noqa: E402
from store_cases import (CASES, FILES, GOOD_LIST, LIST, SECRET, TOKEN, XML, always, case, client, listing, main)  # noqa: E402


def gone(**more):
    return {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None, "AWS_SESSION_TOKEN": None, **more}


def seen(s):
    a = s.requests[0].headers.get("authorization", "") if s.requests else ""
    m = re.search(r"Credential=([^/]+)/", a)
    return m.group(1) if m else None


def keys_json(key, seconds=3600):
    return json.dumps({"Version": 1, "Code": "Success", "AccessKeyId": key, "SecretAccessKey": SECRET, "Token": TOKEN,
                       "SessionToken": TOKEN, "Expiration": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))})


def who(name, want, setup, **env):
    def run(c):
        s = Server(always(GOOD_LIST))
        more, closing = setup() if setup else ({}, None)
        r = client(s.url, *LIST, **gone(**env, **more))
        if want is None:
            c.equal((r["ok"], r.get("class")), (False, "config"), "refused (%s)" % r.get("text"))
        else:
            c.equal((r["ok"], seen(s)), (True, want), "who (%s)" % r.get("text"))
        s.stop()
    CASES.append(("credentials: " + name, run))


def write(name, text):
    fd, path = tempfile.mkstemp(dir=FILES, prefix=name)
    os.write(fd, text.encode())
    os.close(fd)
    return path


def service_dir():
    d = tempfile.mkdtemp(dir=FILES)
    for n, v in (("aws_access_key_id", "AKIDSERVICE\n"), ("aws_secret_access_key", SECRET + "\n")):
        with open(os.path.join(d, n), "w") as f:
            f.write(v)
    return {"CREDENTIALS_DIRECTORY": d}, None


def profiles(text, config=""):
    return lambda: ({"AWS_SHARED_CREDENTIALS_FILE": write("cred", text), "AWS_CONFIG_FILE": write("conf", config)}, None)


STATIC = "[default]\naws_access_key_id = AKIDDEFAULT\naws_secret_access_key = %s\n\n[work]\n# a comment\naws_access_key_id=AKIDWORK\n" \
         "aws_secret_access_key=%s\n  nested = x\n" % (SECRET, SECRET)
who("none at all", None, None)
who("half a pair in the environment", None, lambda: ({"AWS_ACCESS_KEY_ID": "AKID"}, None))
who("the service manager's", "AKIDSERVICE", service_dir)
who("shared file, default profile", "AKIDDEFAULT", profiles(STATIC))
who("shared file, AWS_PROFILE", "AKIDWORK", profiles(STATIC), AWS_PROFILE="work")
who("shared file, profile of the configuration", "AKIDWORK", profiles(STATIC), S3_TEST_PROFILE="work")
who("a profile that is not there", None, profiles(STATIC), AWS_PROFILE="nope")
who("half a pair in a profile", None, profiles("[default]\naws_access_key_id = AKID\n"))
who("config file with the word profile", "AKIDCONF",
    profiles("", "[profile work]\naws_access_key_id = AKIDCONF\naws_secret_access_key = x\n"), AWS_PROFILE="work")
who("a process", "AKIDPROCESS", profiles("", "[default]\ncredential_process = printf '%s' '" +
                                       keys_json("AKIDPROCESS").replace("'", "") + "'\n"))


@case
def process_fails(c):
    """credentials: a process that fails is an error that shows nothing of its output"""
    more, _ = profiles("", "[default]\ncredential_process = echo '%s'; exit 3\n" % SECRET)()
    s = Server(always(GOOD_LIST))
    r = client(s.url, *LIST, **gone(**more))
    c.equal((r["ok"], "status 3" in r.get("text", "")), (False, True), "refused (%s)" % r.get("text"))


def process(name, command, words):
    """A process that gives no keys is an error that says why, soon, and shows nothing of its output."""
    def run(c):
        more, _ = profiles("", "[default]\ncredential_process = %s\n" % command)()
        r = client("http://127.0.0.1:1", *LIST, **gone(**more))
        c.equal((r["ok"], words in r.get("text", "")), (False, True), "refused (%s)" % r.get("text"))
    CASES.append(("credentials: a process " + name, run))


process("that cannot be started", "/nonexistent/program %s" % SECRET, "status 127")
process("that is killed", "echo '%s'; kill -9 $$" % SECRET, "signal 9")
process("that prints without end", "yes '%s'" % SECRET, "more than 65536 bytes")
process("that prints no JSON", "echo '%s'" % SECRET, "credential_process")
process("that prints half a pair", "echo '{\"Version\": 1, \"AccessKeyId\": \"AKID\"}'", "without a secret key")
process("that prints a bad time", "echo '%s'" % json.dumps({"AccessKeyId": "A", "SecretAccessKey": SECRET, "Expiration": "soon"}),
        "bad Expiration")


def process_of(lifetimes):
    """A process that gives keys AKID1, AKID2.. of these lifetimes (None: it fails), and the file of how often it was asked."""
    d = tempfile.mkdtemp(dir=FILES)
    for i, seconds in enumerate(lifetimes, 1):
        if seconds is not None:
            with open(os.path.join(d, "keys%d" % i), "w") as f:
                f.write(keys_json("AKID%d" % i, seconds))
    script = "sh -c 'echo >>%s/asked; cat %s/keys$(wc -l <%s/asked)'" % (d, d, d)
    return profiles("", "[default]\ncredential_process = %s\n" % script)()[0], os.path.join(d, "asked")


def pages_by(c, lifetimes, slow, want):
    """Who asks for each page of a listing of three when the server takes so many seconds for the first."""
    more, asked = process_of(lifetimes)

    def handler(r, n):
        time.sleep(max(0, s.requests[0].time + slow - time.monotonic()))
        page = listing("raw/%d" % n)
        return [answer(200, page if n == 3 else page.replace(
            "<IsTruncated>false", "<NextContinuationToken>%d</NextContinuationToken><IsTruncated>true" % n), XML)]
    s = Server(handler)
    r = client(s.url, *LIST, **gone(**more))
    used = [re.search(r"Credential=([^/]+)/", q.headers["authorization"]).group(1) for q in s.requests]
    c.equal((r["ok"], used), (True, want), "keys of the requests (%s)" % r.get("text"))
    with open(asked) as f:
        return len(f.readlines())


@case
def refresh(c):
    """credentials: renewed before they expire, in the middle of a listing"""
    c.equal(pages_by(c, [2, 3600], 5.2, ["AKID1", "AKID2", "AKID2"]), 2, "asked")


@case
def refresh_fails(c):
    """credentials: those that cannot be renewed are used until they expire, and their source is not asked each time"""
    c.equal(pages_by(c, [60, None], 0, ["AKID1"] * 3), 1, "asked while they are young")
    c.equal(pages_by(c, [20, None, 3600], 10.2, ["AKID1"] * 3), 2, "asked")


@case
def wrong_clock(c):
    """credentials: keys that look expired by our clock are used, the server knows better"""
    c.equal(pages_by(c, [-3600], 0, ["AKID1"] * 3), 1, "asked")


STS_KEYS = "<Credentials><AccessKeyId>%s</AccessKeyId><SecretAccessKey>%s</SecretAccessKey><SessionToken>%s</SessionToken>" \
           "<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>"


def sts(action, key):
    def handler(r, n):
        body = r.body.decode()
        if "Action=%s&" % action not in body + "&" or "RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr" not in body:
            return [answer(400, "<ErrorResponse><Error><Code>Wrong</Code></Error></ErrorResponse>", XML)]
        if action == "AssumeRole" and "/sts/aws4_request" not in r.headers.get("authorization", ""):
            return [answer(403, "<ErrorResponse><Error><Code>Unsigned</Code></Error></ErrorResponse>", XML)]
        return [answer(200, "<%sResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><%sResult>%s</%sResult></%sResponse>" %
                       (action, action, STS_KEYS % (key, SECRET, TOKEN), action, action), XML)]
    return Server(handler)


who("web identity", "AKIDWEB", lambda: ({
    "AWS_ENDPOINT_URL_STS": sts("AssumeRoleWithWebIdentity", "AKIDWEB").url, "AWS_ROLE_ARN": "arn:aws:iam::1:role/r",
    "AWS_WEB_IDENTITY_TOKEN_FILE": write("jwt", TOKEN + "\n")}, None))
who("a role of another profile", "AKIDROLE", lambda: ({
    "AWS_ENDPOINT_URL_STS": sts("AssumeRole", "AKIDROLE").url, "AWS_PROFILE": "r",
    "AWS_SHARED_CREDENTIALS_FILE": write("cred", STATIC),
    "AWS_CONFIG_FILE": write("conf", "[profile r]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = work\n")}, None))
who("a role of a profile of the config file", "AKIDROLE", lambda: ({
    "AWS_ENDPOINT_URL_STS": sts("AssumeRole", "AKIDROLE").url, "AWS_PROFILE": "r",
    "AWS_CONFIG_FILE": write("conf", "[profile r]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = s\n[profile s]\n"
                             "aws_access_key_id = AKID\naws_secret_access_key = x\nrole_session_name = n\n")}, None))
who("a role by a web identity of the profile", "AKIDWEB", lambda: ({
    "AWS_ENDPOINT_URL_STS": sts("AssumeRoleWithWebIdentity", "AKIDWEB").url,
    "AWS_CONFIG_FILE": write("conf", "[default]\nrole_arn = arn:aws:iam::1:role/r\nweb_identity_token_file = %s\n" %
                             write("jwt", TOKEN))}, None))
who("a role without a source", None, profiles("", "[default]\nrole_arn = arn:aws:iam::1:role/r\n"))
who("a container", "AKIDBOX", lambda: ({
    "AWS_CONTAINER_CREDENTIALS_FULL_URI": Server(lambda r, n: [answer(200, keys_json("AKIDBOX"))] if
                                                 r.headers.get("authorization") == TOKEN and n > 1 else [answer(500)]).url + "/c",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN": TOKEN}, None))
who("a container that wants the token of a file", "AKIDBOX", lambda: ({
    "AWS_CONTAINER_CREDENTIALS_FULL_URI": Server(lambda r, n: [answer(200, keys_json("AKIDBOX")) if
                                                 r.headers.get("authorization") == TOKEN else answer(401)]).url + "/c",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN": "not this one",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": write("token", TOKEN + "\n")}, None))
who("a container at a foreign address", None, lambda: ({"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://203.0.113.7/c"}, None))
who("a container at an address that only looks local", None,
    lambda: ({"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1.example.org/c"}, None))


def imds(version2=True, role="machine-role"):
    def handler(r, n):
        if r.method == "PUT" and r.path == "/latest/api/token":
            return [answer(200, TOKEN)] if version2 and r.headers.get("x-aws-ec2-metadata-token-ttl-seconds") == "21600" \
                else [answer(403)]
        if r.headers.get("x-aws-ec2-metadata-token") != TOKEN:
            return [answer(401)]
        if r.path.endswith("/security-credentials/"):
            return [answer(200, role)] if role else [answer(404)]
        return [answer(200, keys_json("AKIDMACHINE"))] if r.path.endswith("/" + role) else [answer(404)]
    return lambda: ({"AWS_EC2_METADATA_SERVICE_ENDPOINT": Server(handler).url, "AWS_EC2_METADATA_DISABLED": "false"}, None)


who("instance metadata", "AKIDMACHINE", imds())
who("instance metadata of version 1 only", None, imds(version2=False))
who("an instance without a role", None, imds(role=""))
who("instance metadata that answers HTML", None, lambda: ({
    "AWS_EC2_METADATA_SERVICE_ENDPOINT": Server(always(answer(404, "<html>"))).url, "AWS_EC2_METADATA_DISABLED": "false"}, None))


def refused(name, setup, klass, words, requests=None, **env):
    """A source that is there and gives nothing: an error of this class that names it."""
    def run(c):
        server, more = setup()
        s = Server(always(GOOD_LIST))
        r = client(s.url, *LIST, S3_TEST_ATTEMPTS="1", **gone(**env, **more))
        c.equal((r["ok"], r.get("class"), words in r.get("text", "")), (False, klass, True), "refused (%s)" % r.get("text"))
        c.equal(len(s.requests), 0, "requests to the store")
        if requests is not None:
            c.equal(len(server.requests), requests, "requests to the source")
    CASES.append(("credentials: " + name, run))


def box(*actions):
    s = Server(always(*actions))
    return s, {"AWS_CONTAINER_CREDENTIALS_FULL_URI": s.url + "/c"}


def role_service(*actions):
    s = Server(always(*actions))
    return s, {"AWS_ENDPOINT_URL_STS": s.url, "AWS_ROLE_ARN": "arn:aws:iam::1:role/r",
               "AWS_WEB_IDENTITY_TOKEN_FILE": write("jwt", TOKEN)}


def machine(token, then):
    s = Server(lambda r, n: [token] if r.method == "PUT" else [then])
    return s, {"AWS_EC2_METADATA_SERVICE_ENDPOINT": s.url, "AWS_EC2_METADATA_DISABLED": "false"}


HUGE = answer(200, "x" * 70000)
refused("a container that says no", lambda: box(answer(403, TOKEN)), "permanent", "status 403", 1)
refused("a container that is broken", lambda: box(answer(500, TOKEN)), "transient", "status 500", 3)
refused("a container that hangs", lambda: box(HANG), "transient", "container", 3)
refused("a container that answers HTML", lambda: box(answer(200, "<html>")), "transient", "container's credentials endpoint", 1)
refused("a container that answers without end", lambda: box(HUGE), "permanent", "too large", 1)
refused("a token service that says no", lambda: role_service(answer(403, "<ErrorResponse><Error><Code>AccessDenied</Code></Error>"
                                                                   "</ErrorResponse>", XML)), "permanent", "403 AccessDenied", 1)
refused("a token service that is broken", lambda: role_service(answer(503)), "transient", "503", 3)
refused("a token service that answers HTML", lambda: role_service(answer(200, "<html/>")), "transient", "token service", 1)
refused("a machine whose session is refused", lambda: machine(answer(200, TOKEN), answer(401)), "permanent", "status 401")
refused("a machine that names no role", lambda: machine(answer(200, TOKEN), answer(200, "<html>log in</html>")), "transient",
        "names no role")
refused("a machine that hangs is no such machine", lambda: machine(HANG, HANG), "config", "no credentials", 1)
refused("a machine that gives a token without end", lambda: machine(HUGE, answer(200, "r")), "config", "no credentials", 1)


def in_order():
    """(name, setting, whose): each source, from the first that is asked to the last."""
    web = {"AWS_ENDPOINT_URL_STS": sts("AssumeRoleWithWebIdentity", "AKIDWEB").url, "AWS_ROLE_ARN": "arn:aws:iam::1:role/r",
           "AWS_WEB_IDENTITY_TOKEN_FILE": write("jwt", TOKEN)}
    return [
        ("reference", {"S3_TEST_ACCESS_KEY_ENV": "OUR_ID", "S3_TEST_SECRET_KEY_ENV": "OUR_SECRET", "OUR_ID": "AKIDREFERENCE",
                       "OUR_SECRET": SECRET}, "AKIDREFERENCE"),
        ("environment", {"AWS_ACCESS_KEY_ID": "AKIDENV", "AWS_SECRET_ACCESS_KEY": SECRET}, "AKIDENV"),
        ("service", service_dir()[0], "AKIDSERVICE"),
        ("files", {"AWS_SHARED_CREDENTIALS_FILE": write("cred", STATIC)}, "AKIDDEFAULT"),
        ("web identity", web, "AKIDWEB"),
        ("container", box(answer(200, keys_json("AKIDBOX")))[1], "AKIDBOX"),
        ("machine", imds()()[0], "AKIDMACHINE"),
    ]


@case
def order(c):
    """credentials: sources are asked in their order, each when those before it are not there"""
    while_there = in_order()
    for i, (name, _, whose) in enumerate(while_there):
        setting = {}
        for _, more, _ in while_there[i:]:
            setting |= more
        s = Server(always(GOOD_LIST))
        r = client(s.url, *LIST, **{**gone(), **setting})
        c.equal((r["ok"], seen(s)), (True, whose), "%s (%s)" % (name, r.get("text")))
        s.stop()


@case
def anonymous(c):
    """credentials: anonymous only when asked, and then unsigned"""
    s = Server(always(GOOD_LIST))
    r = client(s.url, *LIST, **gone(S3_TEST_ANONYMOUS="1"))
    h = s.requests[0].headers if s.requests else {}
    c.equal((r["ok"], [k for k in h if k == "authorization" or k.startswith("x-amz")]), (True, []), "unsigned")


@case
def proxies(c):
    """a proxy of the environment is used for the store and never for link-local credentials"""
    proxy = Server(always(answer(503)))
    more, _ = imds()()
    r = client("http://store.example", *LIST, S3_TEST_ATTEMPTS="1", http_proxy=proxy.url, **gone(**more))
    c.equal(r["ok"], False, "the proxy refuses")
    c.equal([q.target.split("?")[0] for q in proxy.requests], ["http://store.example/obs-raw"], "what the proxy saw")


sys.exit(main())
