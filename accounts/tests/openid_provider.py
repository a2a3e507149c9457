"""A login service as Launchpad's: OpenID 2.0 over HTTPS, on this machine."""

import ssl
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from urllib.parse import parse_qsl, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from openid.extensions.sreg import SRegRequest, SRegResponse
from openid.server.server import CheckIDRequest, Server
from openid.store.memstore import MemoryStore

XRDS = """<?xml version="1.0"?><xrds:XRDS xmlns:xrds="xri://$xrds" xmlns="xri://$xrd*($v*2.0)"><XRD><Service>
<Type>http://specs.openid.net/auth/2.0/{}</Type><URI>{}/+openid</URI></Service></XRD></xrds:XRDS>"""


class Provider:
    """``identity`` and ``facts`` are who is logged in there; ``consents`` is whether they let the queue know."""

    def __init__(self, folder) -> None:
        self.certificate = folder / "certificate.pem"
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
        names = [x509.IPAddress(ip_address("127.0.0.1")), x509.DNSName("localhost")]
        made = (
            x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
            .serial_number(1).not_valid_before(datetime.now(UTC) - timedelta(days=1))
            .not_valid_after(datetime.now(UTC) + timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )  # fmt: skip
        pem = serialization.Encoding.PEM
        secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        self.certificate.write_bytes(made.public_bytes(pem) + secret)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate)
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), handler_for(self))
        self.http.socket = context.wrap_socket(self.http.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self.http.server_port}"
        self.openid = Server(MemoryStore(), f"{self.url}/+openid")
        self.identity, self.facts, self.consents = "/+id/m4RtA", {"nickname": "marta-k", "fullname": "Marta K"}, True
        self.asked: list[str] = []
        threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self.http.shutdown()
        self.http.server_close()

    def answer(self, path: str, query: dict[str, str]):
        """Status, headers, body of an answer."""
        self.asked.append(path)
        if path != "/+openid":
            kind = "signon" if path.startswith("/+id/") else "server"
            return 200, {"Content-Type": "application/xrds+xml"}, XRDS.format(kind, self.url)
        request = self.openid.decodeRequest(query)
        if isinstance(request, CheckIDRequest):
            whole = self.url + self.identity
            answer = request.answer(True, identity=whole, claimed_id=whole) if self.consents else request.answer(False)
            if self.consents:
                answer.addExtension(SRegResponse.extractResponse(SRegRequest.fromOpenIDRequest(request), self.facts))
        else:
            answer = self.openid.handleRequest(request)
        web = self.openid.encodeResponse(answer)
        return web.code, web.headers, web.body


def handler_for(provider: Provider):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send(parse_qsl(urlsplit(self.path).query))

        def do_POST(self) -> None:
            self.send(parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))

        def send(self, query) -> None:
            status, headers, body = provider.answer(urlsplit(self.path).path, dict(query))
            body = body.encode() if isinstance(body, str) else body or b""
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_) -> None:
            pass

    return Handler
