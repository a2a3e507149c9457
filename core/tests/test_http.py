"""The HTTP client, against real sockets."""

import base64
import datetime
import gzip
import ipaddress
import os
import signal
import socketserver
import ssl
import threading
import time
import zlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from core.http import BodyTooLarge, CertificateError, Client, ConnectionFailed, HttpError, Timeout, send

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
TEN_SECONDS = {"timeout": 10.0, "limit": 1000}


class Server:
    """Answers each request with ``answer`` (bytes, or a function of the request and a way to say something)."""

    def __init__(self, answer, tls=None):
        self.answer, self.requests, self.connections, self.over = answer, [], 0, threading.Event()
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                outer.connections += 1
                try:
                    if tls:
                        self.request = tls.wrap_socket(self.request, server_side=True)
                        self.rfile, self.wfile = self.request.makefile("rb"), self.request.makefile("wb", 0)
                    while self.one():
                        pass
                except OSError:  # the client had enough
                    pass

            def one(self):
                head = b""
                while not head.endswith(b"\r\n\r\n"):
                    line = self.rfile.readline()
                    if not line:
                        return False
                    head += line
                length = next((int(line[15:]) for line in head.lower().split(b"\r\n")
                               if line.startswith(b"content-length:")), 0)  # fmt: skip
                outer.requests.append(head + self.rfile.read(length))
                if callable(outer.answer):
                    return bool(outer.answer(outer.requests[-1], self.wfile.write))
                self.wfile.write(outer.answer)
                return True

        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads, self.server.block_on_close = True, False
        self.port = self.server.server_address[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}/"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self):
        self.over.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(autouse=True)
def _environment_of_its_own(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)


@pytest.fixture
def serve():
    servers = []

    def start(answer=OK, tls=None):
        servers.append(Server(answer, tls))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A self-signed certificate for 127.0.0.1: the file, and what a server needs to use it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "jenkins.example")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    pem = folder / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    (folder / "ca.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return folder / "ca.pem", context


def answer_with(body, **headers):
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n{lines}\r\n".encode() + body


def test_header_names_are_lower_case_and_repeated_ones_joined(serve):
    server = serve(b"HTTP/1.1 201 Created\r\nLOCATION: /x\r\nVia: a\r\nvia: b\r\nContent-Length: 2\r\n\r\nok")
    response = send("GET", server.url, **TEN_SECONDS)
    assert (response.status, response.body) == (201, b"ok")
    assert (response.headers["location"], response.headers["via"]) == ("/x", "a, b")


def test_parameters_are_added_to_the_query(serve):
    server = serve()
    send("GET", server.url + "a?b=1#part", params={"status": ["New", "zoë"], "n": 2}, **TEN_SECONDS)
    assert server.requests[0].startswith(b"GET /a?b=1&status=New&status=zo%C3%AB&n=2 HTTP/1.1\r\n")


def test_what_an_address_may_not_hold_is_encoded_and_what_is_encoded_stays(serve):
    server = serve()
    send("GET", server.url + "job/a b/ż/feature%252Fx", **TEN_SECONDS)
    assert server.requests[0].startswith(b"GET /job/a%20b/%C5%BC/feature%252Fx HTTP/1.1\r\n")


@pytest.mark.parametrize(("data", "body"), [({"a": "b ü"}, b"a=b+%C3%BC"), (b"\0\1{", b"\0\1{"), (None, b"")])
def test_a_form_or_bytes_are_posted(serve, data, body):
    server = serve()
    send("POST", server.url, data=data, headers={"Accept": "application/json"}, **TEN_SECONDS)
    head, _, sent = server.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST / HTTP/1.1")
    assert b"Accept: application/json" in head
    assert sent == body


@pytest.mark.parametrize("method", ["PATCH", "DELETE", "HEAD"])
def test_other_methods(serve, method):
    server = serve(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    assert send(method, server.url, **TEN_SECONDS).status == 200
    assert server.requests[0].startswith(method.encode() + b" / HTTP/1.1")


@pytest.mark.parametrize(
    "beginning",
    [b"", b"HTTP/1.1 200 OK\r\nX-Padding: ", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"],
    ids=["nothing", "headers", "body"],
)
def test_a_server_that_drips_is_left_in_time(serve, beginning):
    def drip(request, say):
        say(beginning)
        while not server.over.wait(0.02):
            if beginning:
                say(b"x")

    server = serve(drip)
    started = time.monotonic()
    with pytest.raises(Timeout, match=r"no answer within 0\.3 seconds"):
        send("GET", server.url, timeout=0.3, limit=10_000)
    assert time.monotonic() - started < 5


def test_a_handshake_that_does_not_come_is_left_in_time():
    with socketserver.TCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler) as silent:  # it never accepts
        started = time.monotonic()
        with pytest.raises(Timeout) as caught:
            send("GET", f"https://127.0.0.1:{silent.server_address[1]}/", timeout=0.3, limit=10)
    assert time.monotonic() - started < 5
    assert not caught.value.sent


def test_a_body_of_exactly_the_limit_is_taken_and_a_larger_one_not(serve):
    server = serve(answer_with(b"x" * 1000))
    assert len(send("GET", server.url, timeout=10, limit=1000).body) == 1000
    with pytest.raises(BodyTooLarge, match="999 bytes"):
        send("GET", server.url, timeout=10, limit=999)


def test_a_body_without_end_is_left_at_the_limit(serve):
    def pour(request, say):
        say(b"HTTP/1.1 200 OK\r\n\r\n")
        while not server.over.is_set():
            say(b"x" * 65536)

    server = serve(pour)
    with pytest.raises(BodyTooLarge):
        send("GET", server.url, timeout=60, limit=1_000_000)


def test_of_a_body_without_end_the_beginning_can_be_kept(serve):
    def pour(request, say):
        say(b"HTTP/1.1 200 OK\r\n\r\n")
        while not server.over.is_set():
            say(b"x" * 65536)

    server = serve(pour)
    answer = send("GET", server.url, timeout=60, limit=100_001, keep_beginning=True)
    assert (answer.status, len(answer.body), answer.is_whole) == (200, 100_001, False)


def test_a_body_of_exactly_the_limit_is_whole(serve):
    server = serve(answer_with(b"x" * 1000))
    assert send("GET", server.url, timeout=10, limit=1000, keep_beginning=True).is_whole


def test_what_is_packed_is_unpacked(serve):
    server = serve(answer_with(gzip.compress(b"hello"), Content_Encoding="gzip"))
    assert send("GET", server.url, **TEN_SECONDS).body == b"hello"
    assert b"Accept-Encoding: gzip, deflate\r\n" in server.requests[0]


def test_the_limit_is_for_the_unpacked_body(serve):
    bomb = gzip.compress(b"\0" * 20_000_000)
    server = serve(answer_with(bomb, Content_Encoding="gzip"))
    with pytest.raises(BodyTooLarge):
        send("GET", server.url, timeout=60, limit=len(bomb) + 1)


def test_a_body_that_is_not_packed_as_it_says_is_an_error(serve):
    server = serve(answer_with(b"not packed at all", Content_Encoding="gzip"))
    with pytest.raises(HttpError, match="can't be unpacked"):
        send("GET", server.url, **TEN_SECONDS)


def test_a_body_that_ends_early_is_an_error(serve):
    cut_off = zlib.compress(b"x" * 100)[:5]
    server = serve(lambda request, say: say(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n" + cut_off) and False)
    with pytest.raises(ConnectionFailed, match="before the answer was complete") as caught:
        send("GET", server.url, **TEN_SECONDS)
    assert caught.value.sent


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_answered_and_not_followed(serve, status):
    elsewhere = serve()
    server = serve(f"HTTP/1.1 {status} X\r\nLocation: {elsewhere.url}\r\nContent-Length: 0\r\n\r\n".encode())
    response = send("GET", server.url, **TEN_SECONDS)
    assert (response.status, response.headers["location"]) == (status, elsewhere.url)
    assert not elsewhere.requests


@pytest.mark.parametrize(("name", "password"), [("zoë", "Łukasz"), ("ann", "s3cret:with:colons")])
def test_a_password_of_any_characters_is_sent_as_utf8(serve, name, password):
    server = serve()
    send("GET", server.url, auth=(name, password), **TEN_SECONDS)
    expected = base64.b64encode(f"{name}:{password}".encode())
    assert b"Authorization: Basic " + expected + b"\r\n" in server.requests[0]


def test_a_netrc_file_is_not_read(serve, tmp_path, monkeypatch):
    (tmp_path / ".netrc").write_text("default login stranger password s3cret\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    server = serve()
    send("GET", server.url, **TEN_SECONDS)
    assert b"authorization" not in server.requests[0].lower()


def test_no_cookie_is_kept(serve):
    server = serve(answer_with(b"", Set_Cookie="a=b; Path=/"))
    with Client() as client:
        client.send("GET", server.url, **TEN_SECONDS)
        client.send("GET", server.url, **TEN_SECONDS)
    assert b"cookie" not in server.requests[1].lower()


def test_one_request_leaves_nothing_to_the_next(serve):
    server = serve()
    with Client() as client:
        client.send("POST", server.url, data={"a": "b"}, auth=("ann", "x"), headers={"X-Own": "y"}, **TEN_SECONDS)
        client.send("GET", server.url, **TEN_SECONDS)
    assert server.requests[1].startswith(b"GET / HTTP/1.1")
    assert b"authorization" not in server.requests[1].lower()
    assert b"x-own" not in server.requests[1].lower()


def test_a_client_keeps_its_connection(serve):
    server = serve()
    with Client() as client:
        for _ in range(3):
            client.send("GET", server.url, **TEN_SECONDS)
    assert server.connections == 1


def test_a_post_is_sent_once_even_if_a_kept_connection_breaks(serve):
    def answer(request, say):
        if request.startswith(b"POST"):
            return False  # taken, and the connection closed without an answer
        return say(OK)

    server = serve(answer)
    with Client() as client:
        client.send("GET", server.url, **TEN_SECONDS)
        with pytest.raises(ConnectionFailed) as caught:
            client.send("POST", server.url, data={"a": "b"}, **TEN_SECONDS)
    assert [request.split()[0] for request in server.requests] == [b"GET", b"POST"]
    assert caught.value.sent


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://127.0.0.1/", "gopher://x/", "//x/", "", "http://", "http://[x/"]
)
def test_only_http_and_https_addresses_are_asked(url):
    with pytest.raises(HttpError, match="not an http or https URL"):
        send("GET", url, **TEN_SECONDS)


def test_a_header_of_several_lines_is_not_sent(serve):
    server = serve()
    with pytest.raises(HttpError, match="can't be sent"):
        send("GET", server.url, headers={"X-Cause": "a\r\nAuthorization: b"}, **TEN_SECONDS)
    assert not server.requests


def test_a_name_that_is_not_known():
    with pytest.raises(ConnectionFailed, match="host name is not known") as caught:
        send("GET", "http://nowhere.invalid/?token=s3cret", **TEN_SECONDS)
    assert "nowhere" not in str(caught.value)


def test_a_refused_connection_is_connection_failed(serve):
    server = serve()
    server.stop()
    with pytest.raises(ConnectionFailed, match="refused") as caught:
        send("GET", server.url + "?token=s3cret", **TEN_SECONDS)
    assert not caught.value.sent
    assert "s3cret" not in str(caught.value)


def test_what_is_not_http_is_an_error(serve):
    server = serve(lambda request, say: say(b"220 mail.example ESMTP\r\n") and False)
    with pytest.raises(HttpError, match="not valid HTTP"):
        send("GET", server.url, **TEN_SECONDS)


def test_a_self_signed_certificate_is_refused_and_the_remedy_named(serve, certificate):
    server = serve(tls=certificate[1])
    with pytest.raises(CertificateError, match=r"self-signed.*REQUESTS_CA_BUNDLE") as caught:
        send("POST", server.url, auth=("ann", "x"), **TEN_SECONDS)
    assert not caught.value.sent
    assert not server.requests


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
def test_a_certificate_that_the_environment_names_is_trusted(serve, certificate, monkeypatch, variable):
    monkeypatch.setenv(variable, str(certificate[0]))
    assert send("GET", serve(tls=certificate[1]).url, **TEN_SECONDS).body == b"ok"


def test_a_certificate_for_another_name_is_refused(serve, certificate, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[0]))
    with pytest.raises(CertificateError, match="another host name"):
        send("GET", serve(tls=certificate[1]).url.replace("127.0.0.1", "localhost"), **TEN_SECONDS)


def test_a_file_of_certificates_that_is_not_there_is_named(serve, certificate, monkeypatch, tmp_path):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "nothing.pem"))
    with pytest.raises(CertificateError, match="REQUESTS_CA_BUNDLE"):
        send("GET", serve(tls=certificate[1]).url, **TEN_SECONDS)


def test_a_proxy_of_the_environment_is_asked(serve, monkeypatch):
    proxy = serve()
    monkeypatch.setenv("http_proxy", proxy.url)
    assert send("GET", "http://launchpad.invalid/devel/", **TEN_SECONDS).body == b"ok"
    assert proxy.requests[0].startswith(b"GET http://launchpad.invalid/devel/ HTTP/1.1")


@pytest.mark.parametrize("variable", ["https_proxy", "HTTPS_PROXY"])
def test_a_proxy_tunnels_to_an_https_address(serve, monkeypatch, variable):
    proxy = serve(lambda request, say: say(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n") and False)
    monkeypatch.setenv(variable, proxy.url)
    with pytest.raises(ConnectionFailed, match="proxy refused") as caught:
        send("POST", "https://launchpad.invalid/", auth=("ann", "s3cret"), **TEN_SECONDS)
    assert proxy.requests[0].startswith(b"CONNECT launchpad.invalid:443 HTTP/1.1")
    assert b"\r\nAuthorization" not in proxy.requests[0]
    assert not caught.value.sent


@pytest.mark.parametrize("variable", ["no_proxy", "NO_PROXY"])
def test_hosts_that_need_no_proxy_are_asked_directly(serve, monkeypatch, variable):
    server, proxy = serve(), serve()
    monkeypatch.setenv("http_proxy", proxy.url)
    monkeypatch.setenv(variable, "example.com,127.0.0.1")
    send("GET", server.url, **TEN_SECONDS)
    assert (len(server.requests), len(proxy.requests)) == (1, 0)


def test_threads_with_a_client_each_do_not_mix_answers(serve):
    def echo(request, say):
        name = request.split()[1]
        return say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(name), name))

    server, wrong = serve(echo), []

    def ask(number):
        with Client() as client:
            for turn in range(20):
                path = f"/{number}/{turn}"
                if client.send("GET", server.url.rstrip("/") + path, **TEN_SECONDS).body != path.encode():
                    wrong.append(path)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(server.requests) == 160


def test_a_signal_is_heard_while_a_request_waits(serve):
    """A worker that is told to stop does not wait for what it asked for."""
    arrived, release = threading.Event(), threading.Event()

    def never(_request, _say):
        arrived.set()
        release.wait(60)

    def stop(*_):
        raise SystemExit(3)

    def kill():
        arrived.wait(60)
        os.kill(os.getpid(), signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, stop)
    killer = threading.Thread(target=kill)
    killer.start()
    started = time.monotonic()
    try:
        with pytest.raises(SystemExit):
            send("GET", serve(never).url, timeout=60.0, limit=1000)
    finally:
        signal.signal(signal.SIGUSR1, before)
        release.set()
        killer.join()
    assert time.monotonic() - started < 30
