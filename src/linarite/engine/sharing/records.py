"""What is remembered about shares and files beside their bytes and names.

Times of shares are microseconds since the epoch, times of files nanoseconds (a tree's own unit); both UTC. A file's
time of modification is the tree's: every change of bytes or of facts stamps it, so that other programs' changes count.
"""

from __future__ import annotations

import msgspec

from linarite.engine.sharing.leases import Lease

ROOT = ""
DEFAULT_QUOTA_GIB = 5120
MAX_QUOTA_GIB = 102_400
MAX_FILE_BYTES = 4 * 1024**4
MAX_RANGE_BYTES = 4 * 1024**2
MAX_CLEARED = 256
PROVISIONED = ("iops", "mibps")
"""Those of a share's options that are provisioned and paid by themselves."""


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """A stored access policy: a shared access signature may name it by `id` and take its terms."""

    id: str
    start: str | None = None
    expiry: str | None = None
    permission: str | None = None


class Share(msgspec.Struct, kw_only=True):
    """A share, or a read-only snapshot of one when `snapshot` names its moment.

    `modified_at` moves with the share's own properties, never with its files; it is never the same twice. A deleted
    share that can be restored until `expires_at` has a `version`, which tells it from others of its name; "" is live.
    `raised`: when the quota, or a figure among the options, was last made larger.
    """

    key: int = 0
    account: str
    name: str
    snapshot: str = ""
    version: str = ""
    deleted_at: int | None = None
    expires_at: int | None = None
    created_at: int
    modified_at: int
    quota_gib: int = DEFAULT_QUOTA_GIB
    tier: str = "TransactionOptimized"
    tier_changed_at: int
    protocol: str = "SMB"
    root_squash: str | None = None
    metadata: dict[str, str] = {}
    policies: tuple[Policy, ...] = ()
    lease: Lease = Lease()
    options: dict[str, str] = {}
    raised: dict[str, int] = {}

    @property
    def is_provisioned(self) -> bool:
        """Whether its operations or its bandwidth were provisioned: it is of the model "provisioned v2"."""
        return any(name in self.options for name in PROVISIONED)

    @property
    def is_paid_by_size(self) -> bool:
        """Whether what it is given is what it asked for: of either provisioned model."""
        return self.is_provisioned or self.tier == PREMIUM

    def lowerable_at(self, name: str) -> int:
        """From when on the quota, or a figure among the options, may be made smaller. Microseconds.

        A day after it was last made larger [D]; one that never was, since the share was made [R].
        """
        return self.raised[name] + LOWERABLE_AFTER if name in self.raised else self.created_at

    @property
    def limit(self) -> int:
        """Bytes of the disk that its files may take."""
        return self.quota_gib * 1024**3


PREMIUM = "Premium"
LOWERABLE_AFTER = 86_400_000_000
PENDING, SUCCESS, ABORTED, FAILED = "pending", "success", "aborted", "failed"


class Copy(msgspec.Struct, frozen=True, kw_only=True):
    """The last copy to a file. `source` is its URL as readers of the copy may see it."""

    id: str
    source: str
    status: str
    copied: int
    total: int
    completed_at: int | None = None
    description: str | None = None

    @property
    def is_pending(self) -> bool:
        """Whether it goes on: the file refuses other changes."""
        return self.status == PENDING


class Pinned(msgspec.Struct, frozen=True, kw_only=True):
    """A value that holds while the file's time of modification is `at`: a later change of its bytes makes it void."""

    value: int
    at: int


class Cleared(msgspec.Struct, frozen=True):
    """Bytes `start` to `end` (excluded) were made zero when the file's time of modification became `at`."""

    start: int
    end: int
    at: int


class Facts(msgspec.Struct, kw_only=True):
    """What a tree cannot hold about one file or directory. All defaults: the facts of a file that nobody told us of.

    `content` has the content headers by short names (`type`, `encoding`, `language`, `disposition`, `cache`). `md5` is
    what the client stored (base64), never computed here; it is void once another program changed the bytes (`md5_at` is
    the modification it belongs to, `md5_of` the version; a snapshot has the first alone). `stamped` is a directory's
    modification: what comes and goes in it is none of its own. `attributes` None is the kind's default. `owner`,
    `group` and `mode` (octal) are those of an NFS share: told, not the disk's own. `born` is the file's own through
    renames, and its snapshots' (None: another program made it); `cleared` is kept for comparisons with snapshots. The
    file of that `inode` bears the `mark` wherever other programs move it ("": it bears none).
    """

    metadata: dict[str, str] = {}
    content: dict[str, str] = {}
    md5: str | None = None
    md5_at: int = 0
    md5_of: int = 0
    stamped: int | None = None
    attributes: tuple[str, ...] | None = None
    created: int | None = None
    written: Pinned | None = None
    changed: Pinned | None = None
    permission: str | None = None
    lease: Lease = Lease()
    copy: Copy | None = None
    owner: str | None = None
    group: str | None = None
    mode: str | None = None
    born: int | None = None
    cleared: tuple[Cleared, ...] = ()
    mark: str = ""
    inode: int = 0

    def with_cleared(self, start: int, length: int, at: int) -> Facts:
        """The facts once bytes were cleared. Where parts are too many, the oldest become one that spans them."""
        end = start + length
        kept = [each for each in self.cleared if not (start <= each.start and each.end <= end)]
        if len(kept) >= MAX_CLEARED:
            old = kept[: MAX_CLEARED // 2]
            whole = Cleared(
                min(each.start for each in old), max(each.end for each in old), max(each.at for each in old)
            )
            kept = [whole, *kept[MAX_CLEARED // 2 :]]
        return msgspec.structs.replace(self, cleared=(*kept, Cleared(start, end, at)))

    @property
    def is_held(self) -> bool:
        """Whether somebody counts on the path: by a lease that nobody broke, or by a copy to it."""
        is_leased = self.lease.id is not None and self.lease.breaks_at is None
        return is_leased or (self.copy is not None and self.copy.is_pending)

    @property
    def is_read_only(self) -> bool:
        """Whether the file refuses change."""
        return "ReadOnly" in (self.attributes or ())
