"""
The page for people, C{/ui/}: its files, which need no user; what it shows is asked for with one.
"""

import hashlib
from functools import partial
from importlib.resources import files
from typing import Final

from attrs import frozen

from gnttwist.rapi.call import WRITTEN, Call
from gnttwist.rapi.routes import Route

OPEN: Final = "open"
"""
The permission of what is shown to everybody: none.
"""

POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""
Only the page's own files and the remote API beside it; nothing inline, nobody around it.
"""

HEADERS = (
    (b"Content-Security-Policy", POLICY),
    (b"X-Content-Type-Options", b"nosniff"),
    (b"Referrer-Policy", b"no-referrer"),
    # Asked for again each time, answered by the ETag: an upgrade never mixes files of two versions for long.
    (b"Cache-Control", b"no-cache"),
)

KINDS = {
    "html": b"text/html; charset=utf-8",
    "css": b"text/css; charset=utf-8",
    "js": b"text/javascript; charset=utf-8",
    "svg": b"image/svg+xml",
}


@frozen
class PageFile:
    """
    A file of the page, read once.

    @ivar tag: Its ETag, in quotes.
    """

    content: bytes
    kind: bytes
    tag: bytes


async def serve(page_file: PageFile, call: Call) -> object:
    """
    Answer with the file, or that the browser has it.
    """
    request = call.request
    for name, value in HEADERS:
        request.setHeader(name, value)
    if request.setETag(page_file.tag):
        # The request has the status 304 now, which has no body.
        request.finish()
    else:
        call.write(page_file.content, page_file.kind)
    return WRITTEN


def page_routes() -> tuple[Route, ...]:
    """
    A route for each file, and for the directory itself.
    """
    found = []
    for each in sorted(files("gnttwist.rapi").joinpath("ui").iterdir(), key=lambda entry: entry.name):
        _, _, suffix = each.name.rpartition(".")
        if suffix not in KINDS:
            continue
        content = each.read_bytes()
        tag = b'"%s"' % hashlib.sha256(content).hexdigest()[:32].encode()
        handler = partial(serve, PageFile(content, KINDS[suffix], tag))
        path = "/ui/" if each.name == "index.html" else f"/ui/{each.name}"
        found.append(Route("GET", path, OPEN, "A file of the page.", handler, content=KINDS[suffix].decode()))
    return tuple(found)
