"""Letters: their form, encryption or nothing, and servers that refuse a reader, a password, or all of it."""

import ssl
import subprocess

import pytest

from notify_servers import Smtp
from orch import wait_until
from test_notify import PASSWORD, QUICK, night, no_secret_anywhere, outbox, project, settled, work


def email(smtp, more=""):
    return (f"{{type: email, host: 127.0.0.1, port: {smtp.port}, tls: none, from: orch@obs.example, "
            f"to: [ann@obs.example, bob@obs.example], {more}{QUICK}}}")


def test_email(orch):
    with Smtp("orch", PASSWORD) as smtp:
        project(orch, {"mail": email(smtp, "user: orch, password: {env: NOTIFY_PASSWORD}, subject: '[é] {title}', ")})
        orch.start()
        work(orch, warn=[("warning:x", "ünusual\n.\nline\r\nBcc: x@evil.example")])
        night(orch)
        (row,) = settled(orch, 1)
        assert row["state"] == "sent"
        (letter,) = smtp.letters
        message = letter["message"]
        assert (letter["from"], letter["to"]) == ("orch@obs.example", ["ann@obs.example", "bob@obs.example"])
        assert message["Subject"] == "[é] warnings: night, uao/20260407"
        assert message["Message-ID"] == f"<{row['event']}@orchd.invalid>" and message["Date"].datetime
        assert message["Auto-Submitted"] == "auto-generated" and message["Bcc"] is None
        assert "ünusual" in message.get_content() and "  .\n" in message.get_content()
        assert orch.stop() == 0
        no_secret_anywhere(orch)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """A self-signed one for 127.0.0.1: its file, and a server's context."""
    folder = tmp_path_factory.mktemp("certificate")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "key", "-out", folder / "cert"],
                   check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert", folder / "key")
    return folder / "cert", context


@pytest.mark.parametrize("tls", ["starttls", "tls"])
def test_email_is_encrypted_or_not_sent(orch, certificate, tls):
    cert, context = certificate
    with Smtp("orch", PASSWORD, tls, context) as smtp, Smtp("orch", PASSWORD) as plain:
        login = f"user: orch, password: {{env: NOTIFY_PASSWORD}}, ca_file: {cert}, "
        project(orch, {"mail": email(smtp, login).replace("tls: none", f"tls: {tls}"),
                       "open": email(plain, login).replace("tls: none", f"tls: {tls}, timeout: 1s"),
                       "stranger": email(smtp).replace("tls: none", f"tls: {tls}")})
        orch.start()
        work(orch, code=1)
        night(orch, state="failed")
        def look():
            rows = {r["notification"]: r for r in outbox(orch)}
            return rows if rows["mail"]["state"] == "sent" and all(
                rows[n]["attempts"] > 0 and rows[n]["state"] == "pending" for n in ("open", "stranger")) else None
        rows = wait_until(look, "one is sent, and two are refused")
        (letter,) = smtp.letters
        assert letter["encrypted"] and letter["login"] == ("orch", PASSWORD)
        assert not plain.letters and rows["stranger"]["error"]["code"] == "tls"
        assert orch.stop() == 0
        no_secret_anywhere(orch)


@pytest.mark.parametrize("word,reply,klass", [("RCPT", "450 later", "transient"), ("MAIL", "550 never", "permanent")])
def test_email_refused_then_taken(orch, word, reply, klass):
    with Smtp() as smtp:
        smtp.refuse[word] = reply
        project(orch, {"mail": email(smtp)})
        orch.start()
        work(orch, code=1)
        night(orch, state="failed")
        row = wait_until(lambda: next((r for r in outbox(orch) if r["attempts"] > 1), None), "it was tried twice")
        assert row["error"]["class"] == klass, row
        smtp.refuse.clear()
        settled(orch, 1)
        assert len(smtp.letters) == 1


def test_email_wrong_password(orch):
    with Smtp("orch", "another") as smtp:
        project(orch, {"mail": email(smtp, "user: orch, password: {env: NOTIFY_PASSWORD}, ")})
        orch.start()
        work(orch, code=1)
        night(orch, state="failed")
        row = wait_until(lambda: next((r for r in outbox(orch) if r["attempts"] > 1), None), "it was tried twice")
        assert row["error"]["class"] == "permanent" and "Login denied" in row["error"]["text"], row
        assert orch.stop() == 0 and not smtp.letters
        no_secret_anywhere(orch)


def test_email_that_one_reader_cannot_get(orch):
    """An address that is no more keeps nothing from the others; one that is busy is tried again, with all."""
    with Smtp() as smtp:
        smtp.refuse["bob@obs.example"] = "450 4.2.0 greylisted"
        project(orch, {"mail": email(smtp)})
        orch.start()
        work(orch, code=1)
        night(orch, state="failed")
        row = wait_until(lambda: next((r for r in outbox(orch) if r["attempts"] > 1), None), "it was tried twice")
        assert row["error"]["class"] == "transient" and "450 4.2.0 greylisted" in row["error"]["text"] and not smtp.letters
        smtp.refuse["bob@obs.example"] = "550 5.1.1 no such mailbox"
        settled(orch, 1)
        assert [letter["to"] for letter in smtp.letters] == [["ann@obs.example"]]
        assert "550 5.1.1 no such mailbox" in orch.log.read_text()
        smtp.refuse["ann@obs.example"] = "551 5.1.6 moved"
        night(orch, state="failed")
        row = wait_until(lambda: next((r for r in outbox(orch, "pending") if r["attempts"] > 1), None), "nobody takes it")
        assert row["error"]["class"] == "permanent" and len(smtp.letters) == 1


def test_email_header_of_hostile_words(orch):
    with Smtp() as smtp:
        project(orch, {"mail": email(smtp, "subject: '{label} {title}', ")})
        orch.start()
        work(orch, warn=[("warning:x\r\nBcc: x@evil.example\r\n\r\nbody\x7f", "text")])
        night(orch)
        settled(orch, 1)
        (letter,) = smtp.letters
        message = letter["message"]
        assert message["Bcc"] is None and "  Bcc" in message["Subject"]
        assert not any(c < " " or c == "\x7f" for c in message["Subject"]) and message["Message-ID"]
