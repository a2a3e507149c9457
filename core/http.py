"""The HTTP client for outside systems: whatever they do, a request ends in time and its answer fits into memory.

libcurl through pycurl, because its timeout covers the whole request: looking up the name, connecting, TLS, headers and
the body, however slowly they drip in. Proxies are those of the environment, as curl reads them (``http_proxy``,
``https_proxy``, ``all_proxy``, ``no_proxy``). No ``.netrc`` is read, no cookie kept, no redirect followed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from types import TracebackType
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

import certifi
import pycurl

Values = Mapping[str, str | int | Sequence[str]]

USER_AGENT = "review-queue"
IDEMPOTENT = ("GET", "HEAD")
QUICK_EXIT = 322  # CURLOPT_QUICK_EXIT, for which pycurl has no name: closing does not wait for a name server
PROTOCOLS = pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS
SAFE_IN_URLS = "%/:=&?~#+!$,;'@()*[]|"  # what stands in a URL for itself; anything else is percent-encoded
CERTIFICATE_REMEDY = (
    "If that server is meant, put the certificate, or that of the authority that signed it, into a file and name the "
    "file in REQUESTS_CA_BUNDLE."
)
LOST = "the connection was lost before the answer was complete."
CONNECTION_PROBLEMS = {
    pycurl.E_COULDNT_RESOLVE_HOST: "the host name is not known.",
    pycurl.E_COULDNT_RESOLVE_PROXY: "the proxy's host name is not known.",
    pycurl.E_COULDNT_CONNECT: "the connection was refused, or there is no way to the host.",
    pycurl.E_SSL_CONNECT_ERROR: "no secure connection (TLS) could be made.",
    pycurl.E_GOT_NOTHING: LOST,
    pycurl.E_PARTIAL_FILE: LOST,
    pycurl.E_RECV_ERROR: LOST,
    pycurl.E_SEND_ERROR: LOST,
    pycurl.E_HTTP2: LOST,
}
CERTIFICATE_PROBLEMS = (pycurl.E_PEER_FAILED_VERIFICATION, pycurl.E_SSL_ISSUER_ERROR, pycurl.E_SSL_CACERT_BADFILE)


class HttpError(Exception):
    """There is no answer. ``str()`` says why, in words, and holds neither the URL nor a secret.

    ``sent`` says whether the request may have reached the server.
    """

    def __init__(self, words: str, *, sent: bool = False) -> None:
        super().__init__(words)
        self.sent = sent


class Timeout(HttpError):
    """The request did not end in time."""


class ConnectionFailed(HttpError):
    """No connection could be made, or it was lost."""


class CertificateError(HttpError):
    """The server's certificate is not trusted; ``str()`` says how to mend it."""


class BodyTooLarge(HttpError):
    """The body is longer than the limit."""


@dataclass(frozen=True, slots=True)
class Response:
    """An answer of any status. Header names are in lower case; what came several times is joined by commas.

    ``is_whole``: the body is not only its beginning.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    is_whole: bool = True


class Client:
    """Requests one after the other, on connections that are kept. Not for two threads at a time: one for each.

    Only GET and HEAD use a kept connection: when the server has closed it meanwhile, curl sends a request once more.
    Anything else is sent once.
    """

    def __init__(self) -> None:
        self._curl = pycurl.Curl()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._curl.close()

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Values | None = None,
        data: Values | bytes | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float,
        limit: int,
        keep_beginning: bool = False,
    ) -> Response:
        """One request, and its answer whatever its status.

        ``params`` go into the URL's query, ``data`` as a form (or, as bytes, as they are) into the body, ``auth`` is a
        name and a password for basic authentication. ``timeout`` is in seconds, for everything; ``limit`` in bytes, of
        the unpacked body: of a longer one the beginning is returned with ``keep_beginning``. Raises Timeout,
        ConnectionFailed, CertificateError, BodyTooLarge, or HttpError for an address or an answer that is not valid.
        """
        curl, received = self._curl, _Received(limit, keep_beginning)
        curl.reset()  # the settings of the last request; connections stay
        try:
            curl.setopt(pycurl.URL, _address(url, params))
            _set_method(curl, method, data)
            if auth:
                curl.setopt(pycurl.HTTPAUTH, pycurl.HTTPAUTH_BASIC)
                curl.setopt(pycurl.USERNAME, auth[0].encode())
                curl.setopt(pycurl.PASSWORD, auth[1].encode())
            curl.setopt(pycurl.HTTPHEADER, _header_lines(headers or {}))
        except (ValueError, pycurl.error):  # a line break in a header, a zero byte, half of a surrogate pair
            raise HttpError("the address, a header or a password contains what can't be sent.") from None
        _set_limits(curl, timeout)
        _set_authorities(curl)
        curl.setopt(pycurl.HEADERFUNCTION, received.take_header)
        curl.setopt(pycurl.WRITEFUNCTION, received.take_body)
        try:
            curl.perform()
        except pycurl.error as error:
            sent = curl.getinfo(pycurl.REQUEST_SIZE) > 0
            if received.too_large and keep_beginning:
                code = curl.getinfo(pycurl.RESPONSE_CODE)
                return Response(code, received.headers, received.body.getvalue(), is_whole=False)
            if received.too_large:
                raise BodyTooLarge(f"the answer is larger than {limit} bytes.", sent=True) from None
            raise _problem(error.args[0], curl.errstr(), timeout, sent) from None
        return Response(curl.getinfo(pycurl.RESPONSE_CODE), received.headers, received.body.getvalue())


def send(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    params: Values | None = None,
    data: Values | bytes | None = None,
    auth: tuple[str, str] | None = None,
    timeout: float,
    limit: int,
    keep_beginning: bool = False,
) -> Response:
    """One request on a connection of its own, from any thread: as ``Client.send``."""
    with Client() as client:
        return client.send(
            method, url, headers=headers, params=params, data=data, auth=auth, timeout=timeout, limit=limit,
            keep_beginning=keep_beginning,
        )  # fmt: skip


class _Received:
    """What has arrived of an answer."""

    def __init__(self, limit: int, keep_beginning: bool) -> None:
        self.headers: dict[str, str] = {}
        self.body = BytesIO()
        self.limit = limit
        self.keep_beginning = keep_beginning
        self.too_large = False

    def take_header(self, line: bytes) -> None:
        text = line.decode("utf-8", "replace").strip()
        if text.startswith("HTTP/"):  # what came before was a proxy's, or "100 Continue"
            self.headers = {}
            return
        name, colon, value = text.partition(":")
        if colon:
            name, value = name.strip().lower(), value.strip()
            self.headers[name] = f"{self.headers[name]}, {value}" if name in self.headers else value

    def take_body(self, piece: bytes) -> int:
        if self.body.tell() + len(piece) > self.limit:
            self.too_large = True
            if self.keep_beginning:
                self.body.write(piece[: self.limit - self.body.tell()])
            return 0  # curl gives up
        return self.body.write(piece)


def _address(url: str, params: Values | None) -> bytes:
    """The URL with the parameters in its query, as ASCII. Raises HttpError when it is no http or https address."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https"):
        raise HttpError("the address is not an http or https URL.")
    if not parts.netloc.isascii():
        try:
            parts = parts._replace(netloc=parts.netloc.replace(host, host.encode("idna").decode()))
        except UnicodeError:
            raise HttpError("the address has a host name that is not valid.") from None
    query = "&".join(filter(None, [parts.query, urlencode(params, doseq=True) if params else ""]))
    address = urlunsplit(parts._replace(query=query, fragment=""))
    return quote(address, safe=SAFE_IN_URLS).encode()


def _set_method(curl: pycurl.Curl, method: str, data: Values | bytes | None) -> None:
    if method not in IDEMPOTENT:
        curl.setopt(pycurl.FRESH_CONNECT, 1)
    if method == "HEAD":
        curl.setopt(pycurl.NOBODY, 1)
    elif data is not None or method == "POST":
        body = data if isinstance(data, bytes) else urlencode(data or {}, doseq=True).encode()
        curl.setopt(pycurl.POST, 1)
        curl.setopt(pycurl.POSTFIELDS, body)
    if method not in ("GET", "HEAD", "POST") or (method == "GET" and data is not None):
        curl.setopt(pycurl.CUSTOMREQUEST, method)


def _header_lines(headers: Mapping[str, str]) -> list[bytes]:
    lines = [f"{name}: {value}" if value else f"{name};" for name, value in headers.items()]
    if any("\r" in line or "\n" in line for line in lines):
        raise ValueError("A header has several lines.")
    return [b"Expect:", *(line.encode() for line in lines)]  # nothing waits for "100 Continue"


def _set_limits(curl: pycurl.Curl, timeout: float) -> None:
    curl.setopt(pycurl.USERAGENT, USER_AGENT)
    curl.setopt(pycurl.TIMEOUT_MS, max(1, int(timeout * 1000)))
    curl.setopt(pycurl.CONNECTTIMEOUT_MS, max(1, int(timeout * 1000)))
    curl.setopt(pycurl.NOSIGNAL, 1)  # signals would end the wrong thread's request
    # curl calls this about once a second, and Python handles signals only then, as SIGTERM for a worker.
    curl.setopt(pycurl.NOPROGRESS, 0)
    curl.setopt(pycurl.XFERINFOFUNCTION, _continue)
    curl.setopt(QUICK_EXIT, 1)
    curl.setopt(pycurl.PROTOCOLS, PROTOCOLS)
    curl.setopt(pycurl.FOLLOWLOCATION, 0)
    curl.setopt(pycurl.NETRC, pycurl.NETRC_IGNORED)
    curl.setopt(pycurl.ACCEPT_ENCODING, "gzip, deflate")


def _continue(*_: int) -> int:
    return 0


def _set_authorities(curl: pycurl.Curl) -> None:
    """Whose certificates are trusted: the file or folder that the environment names, else certifi's."""
    named = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("SSL_CERT_FILE") or certifi.where()
    is_folder = os.path.isdir(named)
    for of_file, of_folder in ((pycurl.CAINFO, pycurl.CAPATH), (pycurl.PROXY_CAINFO, pycurl.PROXY_CAPATH)):
        curl.setopt(of_folder if is_folder else of_file, os.fsencode(named))


def _problem(code: int, detail: str, timeout: float, sent: bool) -> HttpError:
    """What went wrong, in words. curl's own may hold the host's name or more, so they are only looked at."""
    if code == pycurl.E_OPERATION_TIMEDOUT:
        return Timeout(f"there was no answer within {timeout:g} seconds.", sent=sent)
    if code in CERTIFICATE_PROBLEMS:
        return CertificateError(_certificate_words(code, detail))
    if code in CONNECTION_PROBLEMS:
        refused_by_proxy = "CONNECT tunnel failed" in detail
        return ConnectionFailed("the proxy refused the connection." if refused_by_proxy else CONNECTION_PROBLEMS[code],
                                sent=sent and not refused_by_proxy)  # fmt: skip
    if code == pycurl.E_URL_MALFORMAT:
        return HttpError("the address is not an http or https URL.")
    if code == pycurl.E_BAD_CONTENT_ENCODING:
        return HttpError("the answer can't be unpacked.", sent=sent)
    return HttpError(f"the answer is not valid HTTP (curl's error {code}).", sent=sent)


def _certificate_words(code: int, detail: str) -> str:
    if code == pycurl.E_SSL_CACERT_BADFILE:
        return "the certificates in the file that REQUESTS_CA_BUNDLE or SSL_CERT_FILE names can't be read."
    if "self-signed" in detail or "self signed" in detail:
        return f"its certificate is self-signed, and so not trusted. {CERTIFICATE_REMEDY}"
    if "expired" in detail:
        return "its certificate has expired. Renew it on the server."
    if "subject name" in detail or "hostname mismatch" in detail:
        return "its certificate is made out for another host name. Use that name in the address."
    return f"its certificate comes from an authority that is not trusted. {CERTIFICATE_REMEDY}"
