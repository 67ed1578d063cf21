"""The file of tokens: who may do what, by the SHA-256 of a token, a Kubernetes user or a group.

YAML, or JSON with one object a line::

    - {name: argo, sha256: 9b74c989…, scopes: [verdict:read]}
    - {user: "system:serviceaccount:ci:gate", scopes: [verdict:read, diff:read]}
    - {group: "oidc:shop-team", scopes: [body:read]}

The file holds no token, so that reading it lets nobody in. A token should be random: 32 bytes of it
cannot be found from their SHA-256, a word can.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Final

from differ.api.access import Caller, Scope
from differ.core.policy_file import Entry, Faults, PolicyError, open_document
from mirrordiff.process.logs import logger

log = logger("differ.api.tokens")

_NAME: Final = re.compile(r"[A-Za-z0-9._:@/-]{1,128}")
_EMPTY: Final = sha256(b"").hexdigest()


class TokensError(Exception):
    """A file of tokens that cannot be used. ``problems`` has a line for each fault; none repeats a value."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(self.problems))


def digest(token: str) -> str:
    """A token as the file has it."""
    return sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class Grants:
    """What the file says."""

    tokens: dict[str, Caller] = field(default_factory=dict)
    users: dict[str, frozenset[Scope]] = field(default_factory=dict)
    groups: dict[str, frozenset[Scope]] = field(default_factory=dict)

    def holder(self, token: str) -> Caller | None:
        """Whose token it is.

        Takes as long for a token that is nearly right as for one that is all wrong: digests are compared,
        each in constant time, and each of them.
        """
        asked = digest(token)
        found: Caller | None = None
        for known, caller in self.tokens.items():
            if hmac.compare_digest(known, asked):
                found = caller
        return found

    def of_user(self, name: str, groups: Iterable[str]) -> Caller | None:
        """A user of the cluster, with what user and groups are given; None where that is nothing."""
        scopes = self.users.get(name, frozenset()).union(*(self.groups.get(one, ()) for one in groups))
        return Caller.of(name, scopes) if scopes else None


def parse_tokens(text: str) -> Grants:
    """The grants of a file. Raises TokensError with every problem at once, each with its line."""
    faults = Faults(secret=True)
    if text.lstrip().startswith("{"):
        # A JSON object is YAML, too: an item of a list a line.
        text = "\n".join(f"- {line}" if line.strip() else "" for line in text.splitlines())
    document = open_document(text, faults, "the file")
    grants = Grants()
    lines: dict[str, int] = {}
    for item in document.items(faults) if document is not None else ():
        _grant(item, grants, lines, faults)
    if not faults and not lines:
        faults.add(1, "nobody is let in by this file")
    try:
        faults.raise_if_any()
    except PolicyError as error:
        raise TokensError(error.problems) from None
    return grants


def _grant(item: Entry, grants: Grants, lines: dict[str, int], faults: Faults) -> None:
    members = item.members({"name", "sha256", "user", "group", "scopes"}, faults, ["scopes"])
    scopes = _scopes(members["scopes"], faults) if "scopes" in members else frozenset()
    kinds = [kind for kind in ("sha256", "user", "group") if kind in members]
    if len(kinds) != 1:
        if item.is_mapping:
            faults.add(item.line, "write one of sha256, user and group")
        return
    kind = kinds[0]
    value = members[kind].text(faults)
    name = members["name"].text(faults) if "name" in members else ""
    if kind == "sha256":
        if "name" not in members:
            faults.add(item.line, "name is missing: it is who the audit log says was here")
        elif not _NAME.fullmatch(name):
            faults.add(members["name"].line, "name: write letters, digits and . _ : @ / - alone")
        value = value.lower()
        if not re.fullmatch(r"[0-9a-f]{64}", value):
            faults.add(members[kind].line, "sha256: write the 64 hexadecimal digits of the token's SHA-256")
        elif value == _EMPTY:
            faults.add(members[kind].line, "sha256: this is the one of no text at all")
        _once("this name", item.line, lines, faults, name)
    elif "name" in members:
        faults.add(members["name"].line, f"name: a {kind} has its own")
    # No value of sha256 is repeated: a token may have been put there by mistake.
    _once(f"this {kind}", members[kind].line, lines, faults, value)
    if kind == "sha256":
        grants.tokens[value] = Caller.of(name, scopes)
    elif kind == "user":
        grants.users[value] = scopes
    else:
        grants.groups[value] = scopes


def _once(what: str, line: int, lines: dict[str, int], faults: Faults, key: str) -> None:
    first = lines.setdefault(f"{what} {key}", line)
    if first != line:
        faults.add(line, f"{what} is given twice, first in line {first}")


def _scopes(entry: Entry, faults: Faults) -> frozenset[Scope]:
    items = entry.items(faults)
    if not items:
        faults.add(entry.line, "scopes: at least one is needed")
    words = [one.word([scope.value for scope in Scope], faults) for one in items]
    return frozenset(Scope(word) for word in words if word)


class TokenFile:
    """The grants of a file, read anew whenever it has changed.

    A file that has become wrong leaves the grants before it in force, and the log says so: a slip in it
    must not stop every release. Raises TokensError at first only.
    """

    def __init__(self, file: Path, check: Callable[[Grants], list[str]] = lambda _: []) -> None:
        self._file = file
        self._check = check
        self._mark = self._seen()
        self._grants = self._read()

    @property
    def grants(self) -> Grants:
        """The grants in force."""
        mark = self._seen()
        if mark != self._mark:
            self._mark = mark
            try:
                self._grants = self._read()
            except TokensError as error:
                log.error("tokens_unusable", problems=error.problems, in_force="those before")  # noqa: TRY400
            else:
                log.info("tokens_loaded", tokens=len(self._grants.tokens))
        return self._grants

    def _seen(self) -> tuple[int, int, int]:
        try:
            stat = self._file.stat()
        except OSError:
            return (0, 0, 0)
        # A secret mounted by Kubernetes changes by another link, a file saved in place by its time.
        return (stat.st_ino, stat.st_mtime_ns, stat.st_size)

    def _read(self) -> Grants:
        try:
            grants = parse_tokens(self._file.read_text("utf-8"))
        except OSError as error:
            raise TokensError([f"{self._file}: {error.strerror}"]) from None
        except UnicodeDecodeError:
            raise TokensError(["the file is not UTF-8"]) from None
        problems = self._check(grants)
        if problems:
            raise TokensError(problems)
        return grants
