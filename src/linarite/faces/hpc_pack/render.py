"""Answers and refusals to bytes: the shapes of the classic XML surface and of the JSON one. Source: NOTES 4 and 9."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from linarite.faces.hpc_pack.answers import (
    Accepted,
    Answer,
    Data,
    Document,
    Nothing,
    Number,
    Objects,
    Pairs,
    Properties,
    Text,
    Texts,
)  # fmt: skip
from linarite.faces.hpc_pack.errors import Refusal
from linarite.http.messages import Response
from linarite.http.xml import escape

COMMON = "http://schemas.microsoft.com/HPCS2008R2/common"
SERIALIZATION = "http://schemas.microsoft.com/2003/10/Serialization/"
ARRAYS = "http://schemas.microsoft.com/2003/10/Serialization/Arrays"
INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"
GENERIC = "http://schemas.datacontract.org/2004/07/System.Collections.Generic"
XML_TYPE, JSON_TYPE = "application/xml; charset=utf-8", "application/json; charset=utf-8"
MORE, ROWS = "x-ms-continuation-QueryId", "x-ms-row-count"


def string(text: str) -> str:
    """`<string>` of the Serialization namespace."""
    return f'<string xmlns="{SERIALIZATION}">{escape(text)}</string>'


def _properties(pairs: Pairs) -> str:
    return "".join(
        f"<Property><Name>{escape(name)}</Name>{f'<Value>{escape(value)}</Value>' if value else '<Value/>'}</Property>"
        for name, value in pairs
    )


def _array(name: str, inside: str, namespace: str = COMMON) -> str:
    return f'<{name} xmlns="{namespace}" xmlns:i="{INSTANCE}">{inside}</{name}>'


def _texts(values: Iterable[str]) -> str:
    return _array("ArrayOfstring", "".join(f"<string>{escape(value)}</string>" for value in values), ARRAYS)


def _xml(answer: Answer) -> str:
    match answer:
        case Properties(pairs):
            return _array("ArrayOfProperty", _properties(pairs))
        case Objects(rows):
            inside = (f"<Object><Properties>{_properties(row)}</Properties></Object>" for row in rows)
            return _array("ArrayOfObject", "".join(inside))
        case Number(value):
            return f'<int xmlns="{SERIALIZATION}">{value}</int>'
        case Text(value):
            return string(value)
        case Texts(values):
            return _texts(values)
        case Data(type_, list() as value):
            return _array(f"ArrayOf{type_}", _data(type_, value))
        case Data(type_, value):
            return _array(type_, _members(value))
    return ""


def _data(name: str, value: object) -> str:
    """A value as an element; a list as one for each item."""
    if isinstance(value, list):
        return "".join(_data(name, item) for item in value)
    if isinstance(value, dict):
        return f"<{name}>{_members(value)}</{name}>"
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"<{name}>{escape(text)}</{name}>"


def _members(value: dict[str, object]) -> str:
    """The members of an object: a list stands in an element of its own."""
    return "".join(
        f"<{name}>{_data(_ITEMS.get(name, 'string'), item)}</{name}>" if isinstance(item, list) else _data(name, item)
        for name, item in value.items()
    )


_ITEMS = {"Instances": "MetricInstanceData", "Values": "KeyValue", "Entries": "OperationLogEntry"}


def _rest_properties(pairs: Pairs) -> list[dict[str, str]]:
    return [{"Name": name, "Value": value} for name, value in pairs]


def _json(answer: Answer) -> object:
    match answer:
        case Properties(pairs):
            return _rest_properties(pairs)
        case Objects(rows):
            return [{"Properties": _rest_properties(row)} for row in rows]
        case Number(value) | Text(value):
            return value
        case Texts(values):
            return values
        case Data(_, value):
            return value
    return None


def _headers(answer: Answer) -> dict[str, str]:
    headers = {}
    if isinstance(answer, Objects):
        if answer.more is not None:
            headers[MORE] = answer.more
        if answer.total is not None:
            headers[ROWS] = str(answer.total)
    return headers


def answer_xml(answer: Answer, *, nothing: int = 200) -> Response:
    """The answer as XML; `nothing` is the status of an answer without a body."""
    if isinstance(answer, Nothing | Accepted):
        return Response(nothing if isinstance(answer, Nothing) else 202)
    if isinstance(answer, Document):
        return Response(200, answer.pieces, {"Content-Type": XML_TYPE})
    return Response(200, _xml(answer).encode(), {"Content-Type": XML_TYPE, **_headers(answer)})


def answer_json(answer: Answer) -> Response:
    """The answer as JSON; job XML stays XML."""
    if isinstance(answer, Nothing | Accepted | Document):
        return answer_xml(answer, nothing=204)
    return Response(200, msgspec.json.encode(_json(answer)), {"Content-Type": JSON_TYPE, **_headers(answer)})


def refusal_string(refusal: Refusal) -> Response:
    """The refusal as the oldest service gives it: a bare string."""
    return Response(refusal.status, string(refusal.message).encode(), {"Content-Type": XML_TYPE})


def refusal_fault(refusal: Refusal) -> Response:
    """The refusal as HpcWebServiceFault, since api-version 2011-11-01."""
    values = f'<Values i:nil="true" xmlns:a="{GENERIC}"/>'
    inside = f"<Code>{refusal.code}</Code><Message>{escape(refusal.message)}</Message>{values}"
    return Response(refusal.status, _array("HpcWebServiceFault", inside).encode(), {"Content-Type": XML_TYPE})


def refusal_json(refusal: Refusal) -> Response:
    """The refusal on the JSON surface."""
    body = {"Code": refusal.code, "Message": refusal.message, "Values": None}
    return Response(refusal.status, msgspec.json.encode(body), {"Content-Type": JSON_TYPE})
