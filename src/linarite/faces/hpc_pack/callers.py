r"""Who calls: Basic credentials, names as DOMAIN\user, and acting as somebody else. Source: NOTES 3."""

from __future__ import annotations

from typing import NamedTuple

from linarite.engine.access import Access, Unauthenticated, User
from linarite.engine.errors import NotAllowed
from linarite.engine.model import Job, Role
from linarite.http import basic
from linarite.http.messages import Request

FACE = "hpc_pack"


class Caller(NamedTuple):
    """A person who is known: `account` is the tenant they see, `name` without a domain."""

    name: str
    account: str
    role: Role

    @property
    def is_admin(self) -> bool:
        """Tell whether they may act on everybody's jobs."""
        return self.role is Role.ADMIN

    def owns(self, job: Job) -> bool:
        """Tell whether the job is theirs; a job that no person owns is everybody's in its account."""
        return not job.spec.owner or job.spec.owner.lower() == self.name.lower()

    def may_see(self, job: Job) -> None:
        """Only the owner or an administrator may list a job's tasks. NotAllowed."""
        if not (self.is_admin or self.owns(job)):
            raise NotAllowed(f"{self.name} may not do this: the job belongs to another user.")

    def may_change(self, job: Job) -> None:
        """Only the owner or an administrator may change a job, and none who may only read. NotAllowed."""
        self.may_write()
        self.may_see(job)

    def may_administer(self) -> None:
        """NotAllowed for all but administrators."""
        if not self.is_admin:
            raise NotAllowed(f"{self.name} is no administrator.")

    def may_write(self) -> None:
        """NotAllowed for a user who may only read."""
        if self.role is Role.READ:
            raise NotAllowed(f"{self.name} may only read.")


def without_domain(name: str) -> str:
    r"""The user's name of `DOMAIN\user`."""
    return name.rpartition("\\")[2]


def credentials(header: str | None) -> tuple[str, str]:
    """Name and password of a Basic header. Unauthenticated."""
    if (header or "").partition(" ")[0].lower() != "basic":
        raise Unauthenticated("Not signed in: send a name and a password by Basic authentication.")
    found = basic.credentials(header)
    if found is None:
        raise Unauthenticated("The Basic credentials cannot be read.")
    return without_domain(found[0]), found[1]


async def known(request: Request, access: Access, *, may_impersonate: bool) -> Caller:
    """The caller, or whom an administrator names in x-ms-as-user. Unauthenticated, NotAllowed."""
    name, password = credentials(request.headers.get("authorization"))
    user = await access.password(name, password)
    if user is None:
        raise Unauthenticated("The name or the password is wrong.")
    wanted = request.headers.get("x-ms-as-user") if may_impersonate else None
    if wanted and without_domain(wanted).lower() != user.name.lower():
        user = await _other(access, user, without_domain(wanted))
    return Caller(user.name, user.account, user.role)


async def _other(access: Access, user: User, name: str) -> User:
    if user.role is not Role.ADMIN:
        raise NotAllowed(f"{user.name} may not act as another user.")
    other = await access.user(name)
    if other is None or other.account != user.account:
        raise NotAllowed(f"There is no user {name!r} to act as.")
    return other
