"""bravado, made from a Swagger description of HPC Pack's JSON API; it checks requests and answers against that.

Started with the description's file, the address of the server, a user and a password. `call` names an operation.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bravado.client import SwaggerClient
from bravado.exception import HTTPError
from bravado.requests_client import RequestsClient
from lines import Refused, serve

FILE, URL, USER, PASSWORD = sys.argv[1:]
PLAIN = {"use_models": False, "validate_responses": True, "validate_requests": True}


def _client() -> dict[str, Any]:
    address = urlsplit(URL)
    http = RequestsClient()
    http.set_basic_auth(address.netloc, USER, PASSWORD)
    text = Path(FILE).read_text().replace("/operations/{operation}", "/operations/{action}")
    # bravado has an argument of its own by this name, hence takes no parameter of it
    spec = json.loads(text.replace('"name": "operation"', '"name": "action"'))
    spec |= {"host": address.netloc, "schemes": [address.scheme]}
    client = SwaggerClient.from_spec(spec, http_client=http, config=PLAIN)
    return {
        name: getattr(getattr(client, group), name) for group in dir(client) for name in dir(getattr(client, group))
    }


OPERATIONS = _client()


def call(operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """The status, the value and the headers of an answer that was as the description says."""
    try:
        times = {name: datetime.fromisoformat(text) for name, text in arguments.items() if name.endswith("Time")}
        answer = OPERATIONS[operation](**arguments | times).response(timeout=30)
    except HTTPError as error:
        raise Refused(error.status_code, json.loads(error.response.text)["Code"]) from error
    return {"value": answer.result, "headers": dict(answer.incoming_response.headers)}


def names() -> list[str]:
    """Every operation of the description."""
    return sorted(OPERATIONS)


serve({"call": call, "names": names}.__getitem__)
