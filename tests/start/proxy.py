"""
An HTTP proxy that ends TLS itself, with certificates of its own authority: what many companies have.

    proxy.py DIRECTORY      (ca.pem and ca.key are in it)

Prints its port, then the host of each tunnel. Where HTTPS_PROXY names another proxy it goes through that one.
"""

import base64
import os
import select
import socket
import socketserver
import ssl
import subprocess
import sys
import threading
import urllib.parse

directory = sys.argv[1]
making = threading.Lock()


def certificate(host):
    """Makes the certificate of a host, once."""
    path = os.path.join(directory, urllib.parse.quote(host, ""))
    with making:
        if not os.path.exists(path):
            line = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2".split()
            line += ["-CA", f"{directory}/ca.pem", "-CAkey", f"{directory}/ca.key", "-subj", "/CN=mpserv test"]
            line += ["-addext", f"subjectAltName=DNS:{host}", "-addext", "basicConstraints=critical,CA:FALSE"]
            line += ["-keyout", path + ".new", "-out", path + ".crt"]
            subprocess.run(line, check=True, stderr=subprocess.DEVNULL)
            with open(path + ".crt") as made, open(path + ".new", "a") as both:
                both.write(made.read())
            os.rename(path + ".new", path)
    return path


def read_head(connection):
    """Reads as far as the empty line after the headers."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        if not byte:
            raise OSError("closed early")
        head += byte
    return head.decode("latin1")


def connect(host, port):
    """Connects to a server, through this machine's proxy where it has one."""
    proxy = os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy")
    if proxy:
        url = urllib.parse.urlsplit(proxy if "//" in proxy else "http://" + proxy)
        plain = socket.create_connection((url.hostname, url.port or 80))
        secret = ""
        if url.username:
            words = urllib.parse.unquote(f"{url.username}:{url.password or ''}")
            secret = "Proxy-Authorization: Basic " + base64.b64encode(words.encode()).decode() + "\r\n"
        plain.sendall(f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n{secret}\r\n".encode())
        status = read_head(plain).split("\r\n")[0]
        if " 200" not in status:
            raise OSError(f"{url.hostname}: {status}")
    else:
        plain = socket.create_connection((host, port))
    context = ssl.create_default_context()
    extra = os.environ.get("NODE_EXTRA_CA_CERTS")
    if extra:
        context.load_verify_locations(extra)
    return context.wrap_socket(plain, server_hostname=host)


def relay(one, other):
    """Copies both ways until one side closes."""
    while True:
        ready = [side for side in (one, other) if side.pending()]
        for side in ready or select.select([one, other], [], [])[0]:
            side.setblocking(False)  # what can be read may be a message of TLS's own
            try:
                data = side.recv(65536)
            except ssl.SSLWantReadError:
                continue
            finally:
                side.setblocking(True)
            if not data:
                return
            (other if side is one else one).sendall(data)


class Tunnel(socketserver.BaseRequestHandler):
    def handle(self):
        method, target = read_head(self.request).split(" ")[:2]
        if method != "CONNECT":
            self.request.sendall(b"HTTP/1.1 405 Method Not Allowed\r\n\r\n")
            return
        host, port = target.rsplit(":", 1)
        try:
            server = connect(host, int(port))
        except OSError as error:
            print(f"proxy.py: {host}: {error}", file=sys.stderr)
            self.request.sendall(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
            return
        print(host, flush=True)
        self.request.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate(host))
        with server:
            try:
                with context.wrap_socket(self.request, server_side=True) as client:
                    relay(client, server)
            except OSError:
                pass  # one of them has gone, or the client does not trust the authority


class Proxy(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # a client that closed before it said anything


with Proxy(("127.0.0.1", 0), Tunnel) as proxy:
    print(proxy.server_address[1], flush=True)
    proxy.serve_forever()
