"""
Who asks: basic authentication against the users file, and the slowing of those who guess.
"""

import base64
import binascii
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path

from attrs import define, field

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from gnttwist.net.http import Refusal
from gnttwist.rapi.users import FILE_LIMIT, NOBODY, READ, REALM, BadUsersFile, User, parse

CHALLENGE = ((b"WWW-Authenticate", f'Basic realm="{REALM}"'.encode()),)

FIRST_DELAY = 0.1
LONGEST_DELAY = 5.0
"""
Seconds that a source waits for the answer after its first failed attempt, doubled with each further one up to the
longest: a thousand guesses take more than an hour.
"""

FORGIVEN_AFTER = 60.0
"""
Seconds without a failed attempt after which a source's earlier ones are forgotten.
"""

WAITING_MOST = 4
"""
Failed attempts of one source that may wait for their answers; further requests of it get 429 unread meanwhile, so
that guessing in parallel gains nothing.
"""

SOURCES_MOST = 10_000
"""
Sources that are remembered, the one that failed longest ago forgotten first: 2 MB.
"""


@define(eq=False, repr=False)
class UsersFile:
    """
    The users file, read again when it changes. One that cannot be read leaves the users that were read before;
    one that is missing means that there are none.
    """

    _log = Logger()
    _path: Path
    _users: dict[str, User] = field(factory=dict, init=False)
    _seen: tuple[int, int, int] | None = field(default=None, init=False)

    def find(self, name: str) -> User | None:
        """
        The user of this name.
        """
        return self.all().get(name)

    def all(self) -> Mapping[str, User]:
        """
        The users by name, as they are now; what is given does not change when the file does.
        """
        self._refresh()
        return self._users

    def reload(self) -> None:
        """
        Read it again, changed or not.
        """
        self._seen = None
        self._refresh()

    def _refresh(self) -> None:
        try:
            status = self._path.stat()
            version = (status.st_ino, status.st_mtime_ns, status.st_size)
            if version == self._seen:
                return
            # A file that cannot be used is not read again until it changes.
            self._seen = version
            if status.st_size > FILE_LIMIT:
                raise BadUsersFile(f"longer than {FILE_LIMIT} bytes")
            self._users = parse(self._path.read_text())
            self._log.info("{count} users may use the remote API", count=len(self._users))
        except FileNotFoundError:
            self._seen = None
            self._users = {}
        except (OSError, UnicodeDecodeError, BadUsersFile) as reason:
            text = "it is not UTF-8 text" if isinstance(reason, UnicodeDecodeError) else str(reason)
            self._log.error("{path}: {reason}: the users read before stay", path=str(self._path), reason=text)


@define
class _Attempts:
    """
    A source's failed attempts.

    @ivar last: When the latest was.
    @ivar told: When the answers that wait will have been given.
    """

    count: int = 0
    last: float = 0.0
    told: list[float] = field(factory=list)


@define(eq=False, repr=False)
class Authentication:
    """
    Decides who a request is from.

    @ivar _anonymous: Whether requests without a user may read.
    """

    _log = Logger()
    _clock: IReactorTime
    _users: UsersFile
    _anonymous: bool = False
    _failed: OrderedDict[str, _Attempts] = field(factory=OrderedDict, init=False)

    def check(self, header: bytes | None, source: str, permission: str) -> User | Refusal:
        """
        Look at a request's credentials.

        @param header: Its C{Authorization}.
        @param source: The address that it comes from.
        @param permission: What it takes.
        """
        if header is None:
            if self._anonymous and permission == READ:
                return NOBODY
            return Refusal(401, "a user and a password are needed", CHALLENGE)
        now = self._clock.seconds()
        attempts = self._failed.get(source)
        if attempts is not None:
            attempts.told = [each for each in attempts.told if each > now]
            if len(attempts.told) >= WAITING_MOST:
                later = b"%d" % (int(LONGEST_DELAY) + 1)
                return Refusal(429, "too many failed attempts from this address", ((b"Retry-After", later),))
        user = self._verified(header)
        if user is None:
            return self._refuse(source, now)
        if permission not in user.permissions:
            return Refusal(403, f"{user.name} lacks the permission {permission}")
        return user

    def _verified(self, header: bytes) -> User | None:
        scheme, _, encoded = header.partition(b" ")
        if scheme.lower() != b"basic":
            return None
        try:
            name, separator, password = (
                base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
            )
        except (binascii.Error, UnicodeDecodeError):
            return None
        # Also without such a user something is compared, so that answers take as long.
        user = self._users.find(name) or NOBODY
        return user if user.has_password(password) and separator else None

    def _refuse(self, source: str, now: float) -> Refusal:
        attempts = self._failed.pop(source, None)
        if attempts is None or now - attempts.last > FORGIVEN_AFTER:
            attempts = _Attempts()
        self._failed[source] = attempts
        while len(self._failed) > SOURCES_MOST:
            self._failed.popitem(last=False)
        attempts.count += 1
        attempts.last = now
        delay = min(FIRST_DELAY * 2 ** min(attempts.count - 1, 10), LONGEST_DELAY)
        attempts.told.append(now + delay)
        self._log.info("failed attempt {count} from {source}", count=attempts.count, source=source)
        return Refusal(401, "wrong user or password", CHALLENGE, delay)
