"""Every key that mirrordiff keeps in Redis: one row each. No other key exists.

Evidence is spread over a fixed number of partitions. All keys of one partition carry its number as
hash tag, so that a script finds them on one slot of a Redis Cluster. A pair's key decides its
partition; the partition count is part of the stored data and is not changed while there is any.
"""

from __future__ import annotations

import re
from binascii import crc32
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, Literal

PARTITIONS: Final = 16
"""Streams that can be read at once: more than any installation has workers, few enough to poll."""

GROUP: Final = "differ"
"""The one consumer group on every ready stream."""

HOUR: Final = 3600
DAY: Final = 24 * HOUR


@dataclass(frozen=True, slots=True)
class Key:
    """One family of keys. ``ttl`` in seconds; None for a key that lives while there is work."""

    name: str
    template: str
    type: Literal["string", "list", "hash", "set", "stream", "zset"]
    ttl: int | None
    writer: str
    reader: str
    meaning: str

    @property
    def pattern(self) -> re.Pattern[str]:
        """Matches the keys of this family."""
        escaped = re.sub(r"\\\{p\\\}", r"\\{\\d+\\}", re.escape(self.template))
        return re.compile(re.sub(r"<[a-z ]+>", ".+", escaped.replace(r"\ ", " ")))


KEYS: Final = (
    Key("half", "md:{p}:half:<pair>", "string", 10 * 60, "collector", "collector",
        "a response that waits for its twin, or the mark that its pair is complete"),
    Key("queue", "md:{p}:queue:<pair>", "list", 10 * 60, "collector", "collector",
        "further responses of one role under one pair key, matched in order"),
    Key("control", "md:{p}:control:<pair>", "string", 10 * 60, "collector", "collector",
        "a control's response that waits for the pair it belongs to"),
    Key("complete", "md:{p}:complete:<pair>", "string", 10 * 60, "collector", "collector",
        "a pair already handed on, kept for a control that is still to come"),
    Key("control_seen", "md:{p}:control-seen", "string", 10 * 60, "collector", "collector",
        "set while controls arrive; without it no pair is kept for one"),
    Key("due", "md:{p}:due", "list", None, "collector", "worker",
        "which waiting response expires when, oldest first"),
    Key("ready", "md:{p}:ready", "stream", None, "collector", "worker",
        "pairs, and responses that stayed alone, to be judged"),
    Key("tally", "md:{p}:tally:<session>:<epoch>", "hash", 30 * DAY, "worker", "api",
        "counts of one session under one set of rules"),
    Key("trend", "md:{p}:trend:<session>:<epoch>", "hash", 30 * DAY, "worker", "api",
        "the pairs of one session under one set of rules by time, in at most 512 counters"),
    Key("examples", "md:{p}:examples:<session>", "hash", 3 * DAY, "worker", "api",
        "which kept differences show which signature"),
    Key("kept", "md:{p}:kept:<session>", "zset", 3 * DAY, "worker", "api",
        "every kept difference by its id, which sorts by time, with what lists are filtered by"),
    Key("diff", "md:{p}:diff:<session>:<diff>", "string", 3 * DAY, "worker", "api",
        "one judged pair with both responses"),
    Key("services", "md:services", "zset", 30 * DAY, "worker", "api",
        "every service, by when it was last seen"),
    Key("sessions", "md:sessions:<service>", "zset", 30 * DAY, "worker", "api",
        "the sessions of a service, by when each was last seen"),
    Key("session", "md:session:<session>", "hash", 30 * DAY, "worker", "api",
        "what is known of a session: service, candidate, versions, times, epochs"),
    Key("endpoints", "md:endpoints:<session>", "set", 30 * DAY, "worker", "worker",
        "the recognised endpoints of a session, so that all workers keep to one bound"),
    Key("profile", "md:profile:<service>", "hash", 30 * DAY, "api", "api",
        "how v1 differs from itself: the counts of a session of v1 against v1, and when they were taken"),
    Key("losses", "md:losses", "hash", 30 * DAY, "collector", "worker, api",
        "captures that were not kept, by service and reason"),
    Key("verdict", "md:verdict:<session>", "hash", 30 * DAY, "api", "api",
        "the first decision of each gate on a session"),
    Key("rules", "md:rules:<service>", "hash", None, "api", "worker, api",
        "rules made by review of a service's signatures"),
)  # fmt: skip
"""The map."""

BY_NAME: Final = {key.name: key for key in KEYS}


def partition_of(pair: bytes) -> int:
    """The partition of a pair key."""
    return crc32(pair) % PARTITIONS


def partition_key(name: str, partition: int, *rest: str) -> str:
    """A key of a partition: ``partition_key("half", 3, pair)`` is ``md:{3}:half:<pair>``."""
    head = BY_NAME[name].template.split("<", 1)[0].rstrip(":")
    return ":".join((head.replace("{p}", f"{{{partition}}}"), *rest))


def key(name: str, *rest: str) -> str:
    """A key outside the partitions: ``key("sessions", service)``."""
    head = BY_NAME[name].template.split("<", 1)[0].rstrip(":")
    return ":".join((head, *rest))


_PLAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")


def resource_id(text: str) -> str:
    """A name for ``text`` that fits into keys and URLs: itself where it already does.

    Otherwise what is usable of it with six hex digits of its hash behind, so that two texts keep
    two names. Never empty.
    """
    if _PLAIN.fullmatch(text):
        return text
    usable = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._")[:48] or "unnamed"
    return f"{usable}-{blake2b(text.encode(), digest_size=3).hexdigest()}"


def session_key(service: str, session: str) -> str:
    """The session part of a key, from the resource ids of service and session."""
    return f"{service}/{session}"
