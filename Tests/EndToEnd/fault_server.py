"""A model server for tests: it does what it is told, however wrong, and keeps what it was asked."""

import json
import socket
import struct
import threading
import time


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def http(body, status="200 OK", length=None, content_type="application/json"):
    body = body.encode() if isinstance(body, str) else body
    length = len(body) if length is None else length
    return (f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\n"
            f"Content-Length: {length}\r\n\r\n").encode() + body


def completion(text, top=None):
    """An answer of …/completions; `top` are the log probabilities at its first token."""
    logprobs = None
    if top is not None:
        logprobs = {"tokens": [text], "token_logprobs": [max(top.values())], "top_logprobs": [top], "text_offset": [0]}
    return http(json.dumps({"choices": [{"index": 0, "text": text, "logprobs": logprobs, "finish_reason": "stop"}]}))


def chat(text, top=None):
    """An answer of …/chat/completions."""
    logprobs = None
    if top is not None:
        tokens = [{"token": token, "logprob": value, "bytes": None} for token, value in top.items()]
        logprobs = {"content": [{**tokens[0], "top_logprobs": tokens}]}
    message = {"role": "assistant", "content": text}
    return http(json.dumps({"choices": [{"index": 0, "message": message, "logprobs": logprobs}]}))


RESET = object()


# By port, kept for whoever counts what a client may still hold open to one that has ended.
SERVERS = {}


class FaultServer:
    """Set `answer` to bytes (sent, then closed if `close`), to None (nothing is ever sent), to a list of steps (bytes to
    send, seconds to wait, RESET), or to a callable that gives one of these."""

    def __init__(self, tls=None):
        self.tls = tls
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}/v1"
        self.answer = completion("safe")
        self.close = False
        self.models = []
        self.connections = 0
        self.requests = []
        self.open = []
        self.busy = self.most_at_once = 0
        self.lock = threading.Lock()
        SERVERS[self.port] = self

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.hang_up()
        self._end(self.listener)

    def hang_up(self):
        """Ends all connections, as a server does that has kept them for long enough."""
        while self.open:
            self._end(self.open.pop())

    @staticmethod
    def _end(connection):
        try:
            connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        connection.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            self.open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            if self.tls:
                connection = self.tls.wrap_socket(connection, server_side=True)
            while self._exchange(connection):
                pass
        except OSError:
            pass
        finally:
            connection.close()

    def _exchange(self, connection):
        received = b""
        while b"\r\n\r\n" not in received:
            more = connection.recv(65536)
            if not more:
                return False
            received += more
        head, _, body = received.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines[1:])}
        while len(body) < int(headers.get("content-length", 0)):
            body += connection.recv(65536)
        with self.lock:
            self.busy += 1
            self.most_at_once = max(self.most_at_once, self.busy)
        try:
            return self._reply(connection, lines, headers, body)
        finally:
            with self.lock:
                self.busy -= 1

    def _reply(self, connection, lines, headers, body):
        method, path = lines[0].split()[:2]
        if method == "GET":
            models = self.models
            connection.sendall(
                models if isinstance(models, bytes) else http(json.dumps({"data": [{"id": name} for name in models]})))
            return True
        request = {"method": method, "path": path, "headers": headers, "raw": body, "body": json.loads(body or b"null")}
        self.requests.append(request)
        answer = self.answer(request) if callable(self.answer) else self.answer
        if answer is None:
            connection.recv(1)
            return False
        for step in answer if isinstance(answer, list) else [answer]:
            if step is RESET:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return False
            if isinstance(step, float):
                time.sleep(step)
            else:
                connection.sendall(step)
        return not self.close
