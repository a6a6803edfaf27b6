"""The composition root: settings, store, identity, nodes, engine, faces, servers. It alone knows them all."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import random
import secrets
import signal
import sys
import time
import uuid
from contextlib import AsyncExitStack
from functools import partial
from urllib.parse import urlsplit

import msgspec
import structlog
import uvloop

from linarite import __version__, logs
from linarite.data import Claim, DataFolder, Presence, forget, write_whole
from linarite.engine.core import Engine
from linarite.engine.housekeeping import Retention
from linarite.engine.leading import Lease
from linarite.engine.mounting import Mountable
from linarite.engine.ports import Transaction
from linarite.engine.sharing import Sharing
from linarite.faces.azure_batch import AzureBatch
from linarite.faces.azure_files import AzureFiles
from linarite.faces.dashboard import Dashboard
from linarite.faces.hpc_pack import HpcPack
from linarite.faces.superoffice import Definition, SuperOffice
from linarite.http.bearer import Issuer
from linarite.http.funnel import Face, Funnel
from linarite.http.host_names import HostNames
from linarite.http.limits import Limits, affordable
from linarite.http.published_keys import TheseKeys, published
from linarite.http.serving import Certificate, Servers, address, bind
from linarite.http.tls import authority, server_certificate
from linarite.identity.access import Identity
from linarite.identity.issuing import ISSUER, signing_key
from linarite.identity.managed import PATH as MANAGED_IDENTITY
from linarite.identity.managed import ManagedIdentity
from linarite.identity.task_tokens import TaskTokens
from linarite.identity.trust import RoleMap, Trusted
from linarite.mail import postman as mail
from linarite.mail.postman import Postman
from linarite.nodes.open_files import raise_own
from linarite.nodes.service_environment import ServiceEnvironment
from linarite.provider import Provider
from linarite.refusal import Refused
from linarite.remote import Fetcher
from linarite.settings import DAY, FACES, Settings, check_exposure, unknown_variables
from linarite.settings import Issuer as TrustedIssuer
from linarite.shares import DirectoryTree, MountableShares
from linarite.shares_folder import SharesFolder
from linarite.store import SqlStore, is_shared, open_store

log = structlog.get_logger("linarite")
COLLECT = (10_000, 20, 50)
"""After how many new objects rubbish is looked for: a unit of work makes hundreds, none of them in circles."""
SWITCH = 0.001
"""Seconds after which a thread lets another have its turn: the loop must not wait long for the store's writer."""


class WallClock:
    """Implements `engine.ports.Clock`."""

    def now(self) -> int:
        return time.time_ns() // 1000


def make_id(kind: str) -> str:
    """A name that nobody guesses: nodes, and pools made for a job, are called as Azure calls them."""
    if kind == "pool":
        return str(uuid.uuid4()).upper()
    if kind in {"dedicated", "low-priority"}:
        return f"tvmps_{secrets.token_hex(32)}_{'d' if kind == 'dedicated' else 'p'}"
    return f"{kind}-{secrets.token_hex(8)}"


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Raises Refused."""
    logs.configure(settings.log_format, settings.log_level)
    sys.setswitchinterval(SWITCH)
    gc.freeze()  # what was imported stays for ever
    gc.set_threshold(*COLLECT)
    raise_own()
    check_exposure(settings)
    folder = DataFolder(settings.data)
    folder.make()
    with folder.claim() as claim, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings, folder, claim))


async def _serve(settings: Settings, folder: DataFolder, claim: Claim) -> None:
    asked_to_stop, ready = _listen_for_signals(), asyncio.Event()
    certificate = _certificate(settings, folder)
    sockets = {face: bind(settings.host, settings.port(face), f"--{face}-port") for face in FACES}
    local = {face: address(bound, "https" if certificate else "http") for face, bound in sockets.items()}
    async with AsyncExitStack() as stack:
        store = _store(settings, folder, claim)
        stack.push_async_callback(store.close)
        await _check_folder(store, folder)
        shares = await _shares_folder(store, folder, settings)
        if settings.ready_file is not None:
            forget(settings.ready_file)  # one of an earlier server: who waits for the file waits for this one
        present = stack.enter_context(folder.presence()) if store.shared else None
        tokens, managed = TaskTokens(folder.keys), _managed_identity(settings, folder)
        identity = Identity(store, WallClock(), _trusted(settings, folder, tokens), development=settings.development)
        await identity.start()
        provider = Provider(settings, folder, identity)
        lease = Lease(store, present.name if present else "", partial(_may_lead, claim, provider))
        mountable = MountableShares(store, identity, shares)
        engine = _engine(settings, folder, store, mountable, local, provider, tokens, lease)
        sharing = await _sharing(settings, shares, store, provider, present, alone=claim.taken())
        stack.push_async_callback(sharing.stop)
        faces = _faces(settings, engine, sharing, identity, local)
        await engine.start()
        stack.push_async_callback(_let_go, engine)
        postman = _postman(settings, engine)
        if postman is not None:
            postman.start()
            stack.push_async_callback(postman.stop)
        aside = {"batch": managed.answer} if managed else {}
        names = _host_names(settings) if settings.development else None
        funnels = [(Funnel(face, ready, aside.get(name), names), sockets[name]) for name, face in faces.items()]
        servers = Servers(funnels, certificate, _limits(settings))
        await servers.start()
        stack.push_async_callback(servers.stop)
        ready.set()
        provider.announce()
        _announce(settings, local, managed)
        if not identity.default_account:
            log.warning("there is no account yet: make one with `linarite accounts create NAME`")
        await asked_to_stop.wait()
        log.info("stopping: requests in flight are finished first")


def _store(settings: Settings, folder: DataFolder, claim: Claim) -> SqlStore:
    """The store; with a store of its own, the data folder is this server's alone. Raises Refused."""
    where = settings.store_url.get_secret_value() if settings.store_url else folder.database
    if not is_shared(where):
        folder.take(claim)
    return open_store(where)


def _may_lead(claim: Claim, provider: Provider) -> bool:
    """Whether the nodes can be had: a machine's by one process, whatever it does; a cluster's by the lease alone.

    Who has a cluster's and wakes up after another took the lease can commit nothing and submit nothing.
    """
    return claim.taken() or provider.fenced


async def _check_folder(store: SqlStore, folder: DataFolder) -> None:
    """See that servers which share a database share the data folder too. Raises Refused."""
    here = folder.identity()
    if store.shared and here != await store.write(lambda tx: _first(tx, here)):
        raise Refused(
            f"The database has the records of another data folder than {folder.path}: the files of its tasks and "
            "shares are not here. Servers that share a database share the folder too."
        )


def _first(tx: Transaction, identity: str) -> str:
    """The identity of the data folder that the store goes with: that of the first one."""
    known: str | None = tx.documents.get("server", "data folder", 0)
    if known is None:
        tx.documents.put("server", "data folder", identity)
    return known or identity


async def _shares_folder(store: SqlStore, folder: DataFolder, settings: Settings) -> str:
    """The folder of the file shares, which is the one that the records of shares go with. Raises Refused."""
    shares = SharesFolder(folder, settings.files_folder, settings.slurm_shared)
    shares.make()
    identity = folder.identity()
    await store.write(lambda tx: shares.check(tx, identity))
    return str(shares.path)


def _limits(settings: Settings) -> Limits:
    """What clients may take of the server together."""
    wanted, possible = settings.max_connections, affordable(settings.max_connections)
    if wanted and wanted > possible:
        log.warning(
            "max_connections is more than the process may open files for: raise its hard limit (LimitNOFILE)",
            max_connections=wanted, possible=possible,
        )  # fmt: skip
    return Limits(settings.head_seconds, settings.stall_seconds, wanted or possible)


def _host_names(settings: Settings) -> HostNames:
    """What the server may be called while everybody knows its secrets."""
    public = [urlsplit(url).hostname for face in FACES if (url := settings.public_url(face))]
    return HostNames([*settings.host_names, *settings.tls_names, *filter(None, public)])


def _engine(
    settings: Settings, folder: DataFolder, store: SqlStore, mountable: Mountable, local: dict[str, str],
    provider: Provider, tokens: TaskTokens, lease: Lease,
) -> Engine:  # fmt: skip
    nodes = provider.nodes(mountable, authority(folder.tls) if settings.tls else None)
    batch_url = settings.public_url("batch") or local["batch"]
    days = {"events": settings.events_days, "finished_jobs": settings.finished_jobs_days}
    retention = Retention(**{name: None if value is None else int(value * DAY) for name, value in days.items()})
    environment = ServiceEnvironment(batch_url, settings.hpc_cluster, tokens.issue)
    return Engine(store, nodes, WallClock(), make_id, environment, retention, random.random, lease)


async def _sharing(
    settings: Settings, shares: str, store: SqlStore, provider: Provider, present: Presence | None, *, alone: bool,
) -> Sharing:  # fmt: skip
    try:
        tree = DirectoryTree(shares, provider.share_owner_of(), shared=store.shared)
    except OSError as error:
        raise Refused(f"The file shares in {shares} cannot be locked: {error.strerror}.") from error
    if alone:
        tree.sweep()
    try:
        elsewhere = Fetcher(settings.copy_sources)
    except ValueError as error:
        raise Refused(f"Settings: copy_sources: {error}.") from error
    retention = int((settings.deleted_shares_days or 0) * DAY)
    sharing = Sharing(store, tree, WallClock(), retention=retention, presence=present, elsewhere=elsewhere)
    await sharing.start()
    return sharing


def _faces(
    settings: Settings, engine: Engine, sharing: Sharing, identity: Identity, local: dict[str, str]
) -> dict[str, Face]:
    public = settings.public_url
    addresses = {face: public(face) or url for face, url in local.items()}
    return {
        "batch": AzureBatch(engine, identity, public_url=public("batch")),
        "files": AzureFiles(
            sharing, identity, public_url=public("files"), premium=settings.premium_accounts,
            tells_md5=settings.files_md5 == "always",
        ),
        "hpc": HpcPack(
            engine, identity, public_url=public("hpc"), cluster=settings.hpc_cluster,
            default_pool=settings.hpc_default_pool,
        ),
        "superoffice": SuperOffice(
            engine, identity, public_url=public("superoffice"), prefix=settings.superoffice_prefix,
            definitions=_definitions(settings),
        ),
        "dashboard": Dashboard(engine, addresses, development=settings.development),
    }  # fmt: skip


def _postman(settings: Settings, engine: Engine) -> Postman | None:
    """Who sends mail, where the settings name a server for it."""
    if settings.smtp_server is None:
        return None
    host, _, port = settings.smtp_server.partition(":")
    usual = {"tls": 465, "starttls": 587, "none": 25}[settings.smtp_security]
    password = settings.smtp_password
    return Postman(
        engine,
        mail.Server(
            host=host, port=int(port or usual), sender=settings.smtp_sender, security=settings.smtp_security,
            user=settings.smtp_user, password=password.get_secret_value() if password else None,
        ),
    )  # fmt: skip


def _definitions(settings: Settings) -> dict[str, Definition]:
    found = {}
    for name, told in settings.superoffice_tasks.items():
        try:
            found[name] = msgspec.convert(told, Definition)
        except msgspec.ValidationError as error:
            raise Refused(f"Settings: superoffice_tasks.{name}: {error}.") from error
    return found


def _certificate(settings: Settings, folder: DataFolder) -> Certificate | None:
    if settings.tls_cert is not None and settings.tls_key is not None:
        return Certificate(settings.tls_cert, settings.tls_key)
    return Certificate(*server_certificate(folder.tls, settings.tls_names)) if settings.tls else None


def _trusted(settings: Settings, folder: DataFolder, tokens: TaskTokens) -> list[Trusted]:
    """Whose tokens are believed, and what they grant."""
    ours = [Trusted(tokens.issuer, RoleMap())]
    if settings.development:
        key = signing_key(folder.keys).public_key()
        ours.append(Trusted(Issuer(ISSUER, TheseKeys(key), ("RS256",)), RoleMap()))
    return [*(_configured(one) for one in settings.issuers), *ours]


def _configured(one: TrustedIssuer) -> Trusted:
    return Trusted(
        Issuer(one.issuer, published(one.jwks), audiences=one.audiences), RoleMap(one.roles, one.default_role),
        account_claim=one.account_claim, accounts=one.accounts,
    )  # fmt: skip


def _managed_identity(settings: Settings, folder: DataFolder) -> ManagedIdentity | None:
    """What gives tokens to unmodified code; in production those come from the issuers in the settings alone."""
    return ManagedIdentity(signing_key(folder.keys), folder.keys) if settings.development else None


def _announce(settings: Settings, local: dict[str, str], managed: ManagedIdentity | None) -> None:
    told = {}
    for face, url in local.items():
        log.info("serving", face=face, url=url)
    for name in unknown_variables():
        log.warning("a variable of the environment is called as no setting is", name=name)
    if settings.development:
        log.warning("development mode: everybody knows the account key and the password; only this machine is served")
    if managed is not None:
        told = {"IDENTITY_ENDPOINT": f"{local['batch']}{MANAGED_IDENTITY}", "IDENTITY_HEADER": managed.header}
        log.info("tokens for DefaultAzureCredential: give programs these variables", **told)
    log.info("ready", version=__version__, data=str(settings.data), pid=os.getpid())
    if settings.ready_file is not None:
        write_whole(settings.ready_file, json.dumps({"pid": os.getpid(), **local, **told}) + "\n")


def _listen_for_signals() -> asyncio.Event:
    """What SIGTERM or SIGINT sets; a second one ends the process at once."""
    loop, asked = asyncio.get_running_loop(), asyncio.Event()

    def stop(number: signal.Signals) -> None:
        asked.set()
        loop.remove_signal_handler(number)
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
    return asked


async def _let_go(engine: Engine) -> None:
    """Stop scheduling; what runs goes on."""
    running = await engine.ask(lambda tx: sum(node.running_tasks for node in tx.nodes.all()))
    await engine.stop()
    log.info("stopped; running tasks go on, and the next start takes them up again", running_tasks=running)
