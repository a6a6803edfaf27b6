"""`linarite cert`: the certificate that clients of `--tls` must trust."""

from __future__ import annotations

import typer

from linarite.cli.options import Config, Data
from linarite.cli.records import chosen
from linarite.http.tls import authority


def cert(*, data: Data = None, config: Config = None) -> None:
    """Print the path of the development authority's certificate, making it first if it must be.

    Clients take it as REQUESTS_CA_BUNDLE, SSL_CERT_FILE, NODE_EXTRA_CA_CERTS or curl --cacert.
    """
    _, folder = chosen(data, config)
    typer.echo(authority(folder.tls))
