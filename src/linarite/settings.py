"""Every option of the server: one class, from which the flags, the keys of the TOML file and the variables all come.

A flag wins over the environment (`LINARITE_…`), that over the file (`--config`), that over the default.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
import socket
import tomllib
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from linarite.engine.model import Role
from linarite.refusal import Refused

FACES = ("batch", "files", "hpc", "superoffice", "dashboard")
DAY = 86_400_000_000


def _default_data() -> Path:
    if os.geteuid() == 0:
        return Path("/var/lib/linarite")
    home = os.environ.get("XDG_DATA_HOME")
    return (Path(home) if home else Path.home() / ".local" / "share") / "linarite"


class Issuer(BaseModel):
    """An issuer of bearer tokens that is trusted; the field's description stands in docs/settings.md."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    issuer: str = Field(min_length=1, description="The `iss` of its tokens, to the letter.")
    jwks: str = Field(description="Its public keys: a file, or an https address (never http).")
    audiences: tuple[str, ...] = Field((), description="The `aud` of its tokens, in place of the protocol's own.")
    roles: dict[str, Role] = Field(
        {}, description="Values of `roles` in a token to read, write or admin; these three words mean themselves."
    )
    default_role: Role | None = Field(None, description="The role of a token without a known one; none: no access.")
    account_claim: str = Field("account", description="The claim that limits a token to one account.")
    accounts: tuple[str, ...] = Field((), description="All accounts that its tokens reach; none given: every one.")

    @field_validator("jwks")
    @classmethod
    def _no_plain_http(cls, value: str) -> str:
        if "://" in value and not value.startswith("https://"):
            raise ValueError("keys are fetched by https alone, or read from a file")
        return value

    @field_validator("issuer")
    @classmethod
    def _not_ours(cls, value: str) -> str:
        if value.startswith("https://linarite.localhost/"):
            raise ValueError("this name is the server's own")
        return value


class SlurmPool(BaseModel):
    """Where the jobs of a pool go; what is not said is as for all. Its fields stand in docs/settings.md."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    partition: str | None = Field(None, description="The partition.")
    constraint: str | None = Field(None, description="Features of the machines.")
    account: str | None = Field(None, description="The account that is charged.")
    qos: str | None = Field(None, description="The quality of service.")
    options: tuple[str, ...] | None = Field(None, description="More options for sbatch.")


class Settings(BaseSettings):
    """The options of `linarite serve`; the field's description is the flag's help."""

    model_config = SettingsConfigDict(env_prefix="LINARITE_", extra="forbid", frozen=True)
    from_file: ClassVar[dict[str, Any]] = {}
    """What the file says; `load` sets it."""

    data: Path = Field(default_factory=_default_data, description="Folder of everything that is kept.")
    store_url: SecretStr | None = Field(
        None,
        description="URL of the database in place of SQLite in the data folder: postgresql+psycopg://user@host/name.",
    )

    host: str = Field("127.0.0.1", description="Address to serve on.")
    batch_port: int = Field(10010, ge=0, le=65535, description="Port of Azure Batch; 0 takes any free one.")
    files_port: int = Field(10004, ge=0, le=65535, description="Port of Azure Files.")
    hpc_port: int = Field(10020, ge=0, le=65535, description="Port of HPC Pack.")
    superoffice_port: int = Field(10030, ge=0, le=65535, description="Port of SuperOffice.")
    dashboard_port: int = Field(10040, ge=0, le=65535, description="Port of the dashboard.")
    batch_public_url: str | None = Field(None, description="Azure Batch's address as clients see it, for links.")
    files_public_url: str | None = Field(None, description="The same for Azure Files.")
    files_folder: Path | None = Field(
        None,
        description="Folder of the file shares, below one that is there; else `shares` in the data folder.",
    )
    files_md5: Literal["always", "asked"] = Field(
        "always",
        description="When Put Range tells the MD5 of its bytes: as the service does, or if it was sent one.",
    )
    hpc_public_url: str | None = Field(None, description="The same for HPC Pack.")
    superoffice_public_url: str | None = Field(None, description="The same for SuperOffice.")
    dashboard_public_url: str | None = Field(None, description="The same for the dashboard.")
    host_names: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="More names that clients call the server by in development mode (commas between)."
    )
    max_connections: int | None = Field(
        None,
        ge=1,
        description="Connections at once, of all ports; none: a third of the files it may open at most, up to 10,000.",
    )
    head_seconds: float = Field(75, ge=1, le=3600, description="Seconds in which the head of a request has to come.")
    stall_seconds: float = Field(
        120,
        ge=1,
        le=86_400,
        description="Seconds for which a client may send nothing of a body, or take nothing of an answer.",
    )
    ready_file: Path | None = Field(None, description="Written, as JSON, once every face answers.")

    tls: bool = Field(default=False, description="Serve https; `linarite cert` names the certificate to trust.")
    tls_cert: Path | None = Field(None, description="A certificate chain of your own (PEM).")
    tls_key: Path | None = Field(None, description="Its private key (PEM).")
    tls_names: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="More host names and addresses for the made certificate (commas between)."
    )

    development: bool = Field(
        default=True,
        description="Well-known account, key and user, tokens for DefaultAzureCredential, on this machine alone;"
        " --production for real ones.",
    )
    issuers: tuple[Issuer, ...] = Field(
        (),
        description="Trusted issuers of bearer tokens (docs/authentication.md; JSON, better in the file).",
    )

    hpc_cluster: str = Field("LINARITE", description="The cluster's name for HPC Pack's clients.")
    hpc_default_pool: str | None = Field(None, description="The pool of HPC Pack's jobs that name none.")
    superoffice_prefix: str = Field("", description="Path before /api in SuperOffice's addresses (/Cust12345).")
    superoffice_tasks: dict[str, Any] = Field(
        {}, description="Batch task definitions by name (JSON; better in the file)."
    )

    smtp_server: str | None = Field(
        None,
        description="Host:port of the server that sends mail about jobs.",
    )
    smtp_security: Literal["starttls", "tls", "none"] = Field("starttls", description="How the way there is secured.")
    smtp_sender: str = Field("linarite@localhost", description="The address that mail comes from.")
    smtp_user: str | None = Field(None, description="Who signs in there.")
    smtp_password: SecretStr | None = Field(None, description="The password of that user.")

    allow_elevated: bool = Field(default=False, description="Let tasks that ask for it run with the server's rights.")
    task_uid_base: int | None = Field(
        None, ge=1000, le=2_147_000_000, description="Started by root, tasks of account number N run as this uid + N."
    )

    nodes_provider: Literal["local", "slurm"] = Field(
        "local", description="Where tasks run: on this machine, or on the Slurm cluster that it belongs to."
    )
    slurm_shared: Path | None = Field(
        None,
        description="Folder that the cluster's machines share, under one path, for the files of tasks; else the data"
        " folder.",
    )
    slurm_user: str | None = Field(
        None, description="The cluster's user whose the tasks are; a server started by root needs one."
    )
    slurm_users: dict[str, str] = Field({}, description="Users of accounts with one of their own (JSON, or a table).")
    slurm_partition: str | None = Field(None, description="The partition of pools; else the cluster's default one.")
    slurm_constraint: str | None = Field(None, description="Features of the machines of pools: a, a&b, a|b.")
    slurm_account: str | None = Field(None, description="The account of Slurm that jobs are charged to.")
    slurm_qos: str | None = Field(None, description="The quality of service of jobs.")
    slurm_options: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="More options for sbatch, such as --mem-per-cpu=2000 (commas between)."
    )
    slurm_pools: dict[str, SlurmPool] = Field(
        {}, description="The same five for single pools, by their id (JSON, better in the file)."
    )
    slurm_sizes: dict[str, SlurmPool] = Field({}, description="The same for all pools of a vmSize.")
    slurm_poll: float = Field(5, ge=0.2, le=300, description="Seconds between two looks at Slurm's queue.")
    slurm_timeout: float = Field(30, ge=1, le=600, description="Seconds that a call to Slurm may take.")
    slurm_drain: bool = Field(
        default=False, description="Drain and resume machines in Slurm, as its operator, when users disable scheduling."
    )

    events_days: float | None = Field(90, gt=0, description="Days for which history is kept; 0 or none: for ever.")
    finished_jobs_days: float | None = Field(None, gt=0, description="Days for which finished jobs are kept.")

    premium_accounts: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Accounts whose new file shares are of the tier Premium, with its figures."
    )
    deleted_shares_days: float | None = Field(
        7, gt=0, description="Days for which deleted file shares can be restored; 0 or none: they are gone at once."
    )

    copy_sources: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Other servers that file copies may read from: host, host:port or *.suffix; by https unless http://"
        " stands before it (commas between).",
    )

    log_format: Literal["text", "json"] = Field("text", description="How log lines look.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="The least that is logged.")

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource, dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the supertype's
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the same
    ) -> tuple[PydanticBaseSettingsSource, ...]:  # fmt: skip
        """Flags, then the environment, then the file."""
        return init_settings, env_settings, InitSettingsSource(settings_cls, cls.from_file)

    @field_validator("data", "files_folder", "ready_file", "tls_cert", "tls_key", "slurm_shared", mode="before")
    @classmethod
    def _no_empty_path(cls, value: object) -> object:
        if value == "":  # a variable that is not set: no current folder
            raise ValueError("an empty word names no path")
        return value

    @field_validator("data", "files_folder", "ready_file", "tls_cert", "tls_key", "slurm_shared")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return None if value is None else Path(os.path.abspath(value.expanduser()))  # noqa: PTH100 - links stay links

    @field_validator("store_url")
    @classmethod
    def _url(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and "://" not in value.get_secret_value():
            raise ValueError("a database is named by its URL, such as sqlite:////srv/linarite.db")
        return value

    @field_validator("events_days", "finished_jobs_days", "deleted_shares_days", mode="before")
    @classmethod
    def _for_ever(cls, value: object) -> object:
        return None if str(value).lower() in {"0", "none", ""} else value

    @field_validator("tls_names", "host_names", "premium_accounts", "copy_sources", "slurm_options", mode="before")
    @classmethod
    def _from_commas(cls, value: object) -> object:
        return [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value

    @field_validator("issuers", "superoffice_tasks", "slurm_users", "slurm_pools", "slurm_sizes", mode="before")
    @classmethod
    def _from_json(cls, value: object) -> object:
        try:
            return json.loads(value) if isinstance(value, str) else value
        except json.JSONDecodeError as error:
            raise ValueError(f"this is no JSON: {error}") from None

    @field_validator(*(f"{face}_public_url" for face in FACES))
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://")):
            raise ValueError("an address begins with http:// or https://")
        return None if value is None else value.rstrip("/")

    @field_validator("smtp_server")
    @classmethod
    def _host_and_port(cls, value: str | None) -> str | None:
        host, _, port = (value or "host").partition(":")
        if not host or re.search(r"[\s/:]", host + port) or (port and not (port.isdecimal() and int(port) <= 65535)):
            raise ValueError("it has to be a host, or host:port")
        return value

    @field_validator("superoffice_prefix")
    @classmethod
    def _path(cls, value: str) -> str:
        if value and not re.fullmatch(r"(/[\w.~-]+)+", value):
            raise ValueError("it has to be a path such as /Cust12345")
        return value

    @field_validator("host_names", "tls_names")
    @classmethod
    def _names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if not re.fullmatch(r"[\w.:*\[\]-]+", name):
                raise ValueError(f"{name!r} is no host name and no address")
        return value

    @field_validator("issuers")
    @classmethod
    def _one_of_a_name(cls, value: tuple[Issuer, ...]) -> tuple[Issuer, ...]:
        if len({one.issuer for one in value}) < len(value):
            raise ValueError("an issuer stands there once")
        return value

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key are given together")
        return self

    def port(self, face: str) -> int:
        """The port that was asked for a face, 0 for any."""
        return int(getattr(self, f"{face}_port"))

    def public_url(self, face: str) -> str | None:
        """The address of a face as clients see it, if one was given."""
        value: str | None = getattr(self, f"{face}_public_url")
        return value


def load(flags: dict[str, Any], config: Path | None = None) -> Settings:
    """The settings from flags (None: not given), environment and file.

    Raises pydantic.ValidationError, and Refused when the file cannot be read.
    """
    config = config or (Path(text) if (text := os.environ.get("LINARITE_CONFIG")) else None)
    given = {name: value for name, value in flags.items() if value is not None}
    if config is None:
        return Settings(**given)
    said = _flat(_read(config))

    class FromFile(Settings):
        from_file = said

    return FromFile(**given)


def unknown_variables() -> list[str]:
    """Variables of the environment that are called nearly as settings are. Those that a task has are no mistake."""
    known = {"LINARITE_CONFIG", "LINARITE_PROGRESS", "LINARITE_RUN"}
    known |= {f"LINARITE_{name.upper()}" for name in Settings.model_fields}
    return sorted(name for name in os.environ if name.upper().startswith("LINARITE_") and name.upper() not in known)


def _flat(tables: dict[str, Any]) -> dict[str, Any]:
    """`url` in the table `[store]` is `store_url`; a table that is a setting of its own stays one."""
    flat: dict[str, Any] = {}
    for name, value in tables.items():
        if isinstance(value, dict) and name not in Settings.model_fields:
            flat |= {f"{name}_{key}": inner for key, inner in value.items()}
        else:
            flat[name] = value
    return flat


def _read(config: Path) -> dict[str, Any]:
    """The file's tables. One that is missing is an error, not an empty one."""
    try:
        with config.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise Refused(f"The settings file {config} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise Refused(f"The settings file {config} is no TOML: {error}.") from error


def is_loopback(host: str) -> bool:
    """Whether an address, or every address of a name, is this machine's own. Raises OSError for an unknown name."""
    found = {item[4][0] for item in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    return all(ipaddress.ip_address(str(address).partition("%")[0]).is_loopback for address in found)


def check_exposure(settings: Settings) -> None:
    """Refuse to serve other machines with secrets that everybody knows."""
    try:
        alone = is_loopback(settings.host)
    except OSError as error:
        raise Refused(f"{settings.host} is no address of this machine: {error.strerror or error}.") from error
    if settings.development and not alone:
        raise Refused(
            f"In development mode everybody knows the account key and the password, so {settings.host} is not served. "
            "Make real ones with `linarite accounts create NAME` and `linarite users add NAME`, then start with "
            "--production; or leave --host at 127.0.0.1."
        )
