"""A local server that supports ranges and can drop connections, for tests of downloads."""

import functools
import http.server
import threading
from contextlib import contextmanager, suppress
from pathlib import Path


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves files and ranges of them; closes the next `drops` connections halfway through the response."""

    drops, ranges = 0, []

    def log_message(self, *_):
        pass

    def do_GET(self):
        path, requested = Path(self.translate_path(self.path)), self.headers.get("Range")
        Handler.ranges.append(requested)
        if not path.is_file():
            self.send_error(404)
            return
        content = path.read_bytes()
        start = int(requested.removeprefix("bytes=").rstrip("-")) if requested else 0
        if start >= len(content) > 0 and requested:
            self.send_error(416)
            return
        self.send_response(206 if requested else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        end = len(content)
        if Handler.drops:
            Handler.drops, end = Handler.drops - 1, start + (len(content) - start) // 2
        with suppress(ConnectionError):  # a client that needs only the headers
            self.wfile.write(content[start:end])


@contextmanager
def serving(folder: Path):
    """Yields the address of a server for the files in `folder`."""
    Handler.drops, Handler.ranges = 0, []
    handler = functools.partial(Handler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{running.server_port}/"
        finally:
            running.shutdown()
            thread.join()
