"""What is wrong with a bucket or a server is told before the first night, by name, with what to do, and changes nothing."""

import re
import socket

import pytest

import nights
from conftest import needs_servers
from servers import SECRET_KEY, SQL_PASSWORD

TABLES = "orch_schema, orch_effect, fpi_sky, fpi_laser, DataSet"
USERS_DATASET = ("CREATE TABLE DataSet (LogFile VARCHAR(255), id INT AUTO_INCREMENT PRIMARY KEY, Site INT, Instrument INT, StartUTTime DATETIME, "
                 "StopUTTime DATETIME, SummaryImage VARCHAR(255), Comment TEXT)")


def check(project, code=0, **env):
    done = project.run(project.programs / "orchctl", "-f", project.config, "check", env=env)
    assert done.returncode == code, done.stdout + done.stderr
    assert SECRET_KEY not in done.stdout and SQL_PASSWORD not in done.stdout
    return done.stdout


def test_what_init_wrote_will_do(orch):
    nights.prepare(orch)
    said = orch.text("check")
    assert "store data: " in said and TABLES in said and "problem" not in said
    assert orch.keys() == []
    answer = orch.ctl("check")
    assert answer["ok"] and {f["kind"] for f in answer["findings"]} == {"store", "database"}


@needs_servers
def test_bucket_and_server_will_do(bucket_project):
    project = bucket_project
    said = check(project)
    assert f"s3://{project.bucket}" in said and "MariaDB" in said and TABLES in said
    assert project.keys() == [] and project.leftovers() == [] and project.results("SHOW TABLES") == []
    project.servers.mysql.admin(f"USE {project.database}; {USERS_DATASET}; INSERT INTO DataSet (SummaryImage) VALUES ('a'), ('b')")
    assert "DataSet is there and will get the unique key" in check(project)


def closed_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@needs_servers
@pytest.mark.parametrize("env,code,words", [
    ({"DEST_BUCKET": "orch-nowhere"}, 1, "store data: list orch-nowhere: 404 NoSuchBucket (the server has no bucket of this name"),
    ({"AWS_ACCESS_KEY_ID": "NOBODY"}, 1, "403 InvalidAccessKeyId (the access key is unknown there)"),
    ({"AWS_SECRET_ACCESS_KEY": "wrong"}, 1, "403 SignatureDoesNotMatch (the secret key is wrong"),
    ({"AWS_SECRET_ACCESS_KEY": ""}, 1, "an access key without a secret key"),
    ({"AWS_S3_ENDPOINT_URL": "http://127.0.0.1:{closed}"}, 75, "127.0.0.1:{closed}: Failed to connect"),
    ({"AWS_S3_ENDPOINT_URL": "{tls}"}, 1, "self-signed certificate (name its authority in ca_file"),
    ({"AWS_S3_ENDPOINT_URL": "{not_tls}"}, 75, "does it speak TLS there? then write https://"),
    ({"MYSQL_PASSWORD": "wrong"}, 1, "database results: mysql://127.0.0.1:{port}/{database}: Access denied for user"),
    ({"MYSQL_DATABASE": "orch_nowhere"}, 1, "create it if it is not there; the account needs SELECT, INSERT"),
    ({"MYSQL_HOST": "127.0.0.9"}, 75, "Can't connect to server on '127.0.0.9'"),
])
def test_what_the_environment_got_wrong(bucket_project, env, code, words):
    project = bucket_project
    tls = project.servers.gateway.tls_endpoint
    names = {"closed": closed_port(), "tls": tls, "not_tls": tls.replace("https:", "http:"), "port": project.servers.mysql.port,
             "database": project.database}
    said = check(project, code, **{k: v.format(**names) for k, v in env.items()})
    assert words.format(**names) in said and "1 problem" in said
    assert project.keys() == [] and project.results("SHOW TABLES") == []


@needs_servers
def test_a_secret_that_is_not_there(bucket_project):
    project = bucket_project
    del project.env["MYSQL_PASSWORD"]
    project.config.write_text(project.config.read_text() + "notifications: {issues: {type: github, repository: a/b, token: {env: NO_TOKEN}}}\n")
    said = check(project, 1)
    assert "database results: password: the environment variable MYSQL_PASSWORD, which holds a secret, is not set" in said
    assert "notification issues: token: the environment variable NO_TOKEN" in said


@needs_servers
def test_tables_and_rights(bucket_project):
    project = bucket_project
    admin = project.servers.mysql.admin
    admin(f"USE {project.database}; {USERS_DATASET}; INSERT INTO DataSet (SummaryImage) VALUES ('a.png'), ('a.png'), ('b.png')")
    assert "DataSet holds several rows with the same SummaryImage: 'a.png' (2 rows)" in check(project, 1)
    admin(f"CREATE OR REPLACE USER 'reader'@'127.0.0.1' IDENTIFIED BY 'reader'; GRANT SELECT ON `{project.database}`.* TO 'reader'@'127.0.0.1'")
    said = check(project, 1, MYSQL_USER="reader", MYSQL_PASSWORD="reader")
    assert "warning database results: INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX: needed" in said
    admin("DROP USER 'reader'@'127.0.0.1'")
    assert project.results("SELECT count(*) FROM DataSet") == [(3,)]
    project.config.write_text(re.sub(r"(type: mysql,)", r"\1 tls_ca: /nonexistent/ca.pem,", project.config.read_text()))
    assert "check tls and tls_ca" in check(project, 1)
    answer = project.ctl("check", code=1)
    assert not answer["ok"] and [f["verdict"] for f in answer["findings"]] == ["ok", "problem"]
