"""Get and Set File Service Properties. Source: NOTES 11, "Set File Service Properties"."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from linarite.engine.sharing.service import CorsRule, Metrics, ServiceProperties
from linarite.faces.azure_files import xml
from linarite.faces.azure_files.call import Call, log
from linarite.faces.azure_files.errors import Refused
from linarite.faces.azure_files.versions import IN_TRANSIT_SINCE, PROTOCOL_SETTINGS_SINCE
from linarite.http.messages import Response
from linarite.http.numbers import parse_count
from linarite.http.xml import Element, XmlRefused, child, local_name, parse

MAX_XML, MAX_RULES, MAX_ORIGINS, MAX_NAME, MAX_CORS, MAX_DAYS = 64 * 1024, 5, 64, 256, 2048, 365
MAX_LITERAL, MAX_PREFIXED = 64, 2
MAX_AGE = 2_147_483_647
METHODS = {"DELETE", "GET", "HEAD", "MERGE", "OPTIONS", "PATCH", "POST", "PUT"}


async def get_service_properties(call: Call) -> Response:
    """All properties."""
    found = await call.service.properties(call.address.account)
    parts = [
        xml.parent("HourMetrics", _metrics(found.hour)), xml.parent("MinuteMetrics", _metrics(found.minute)),
        xml.parent("Cors", map(_rule, found.cors)), *_protocols(found, call.version),
    ]  # fmt: skip
    return xml.answer(xml.parent("StorageServiceProperties", parts))


async def set_service_properties(call: Call) -> Response:
    """Those that the body has; the others stay."""
    try:
        root = parse(await call.request.body(MAX_XML))
    except XmlRefused as error:
        raise Refused("InvalidXmlDocument", str(error)) from error
    if local_name(root) != "StorageServiceProperties":
        raise Refused("InvalidXmlDocument")
    changes: dict[str, object] = {}
    for part in root:
        read = _PARTS.get(local_name(part))
        if read is None:
            raise Refused("InvalidXmlDocument")
        changes.update(read(part))
    if any(isinstance(each, Metrics) and each.enabled for each in changes.values()):
        log.warning("metrics are not collected", path=call.request.path, id=call.request.id)
    await call.service.change(call.address.account, changes)
    return Response(202)


def _protocols(found: ServiceProperties, version: str) -> list[str]:
    """What the version knows of the protocols' settings."""
    if version < PROTOCOL_SETTINGS_SINCE:
        return []
    smb, nfs = [_flag("Multichannel", "Enabled", found.multichannel)], list[str]()
    if version >= IN_TRANSIT_SINCE:
        smb.append(_in_transit(found.smb_encrypted))
        nfs.append(xml.parent("NFS", [_in_transit(found.nfs_encrypted)]))
    return [xml.parent("ProtocolSettings", [xml.parent("SMB", smb), *nfs])]


def _flag(name: str, inner: str, value: bool) -> str:  # noqa: FBT001 - an element's value
    return xml.parent(name, [xml.element(inner, str(value).lower())])


def _in_transit(required: bool) -> str:  # noqa: FBT001 - an element's value
    return _flag("EncryptionInTransit", "Required", required)


def _metrics(metrics: Metrics) -> list[str]:
    days = None if metrics.days is None else str(metrics.days)
    retention = [xml.element("Enabled", str(days is not None).lower()), xml.element("Days", days)]
    return [
        xml.element("Version", metrics.version),
        xml.element("Enabled", str(metrics.enabled).lower()),
        xml.element("IncludeAPIs", None if metrics.apis is None else str(metrics.apis).lower()),
        xml.parent("RetentionPolicy", retention),
    ]


def _rule(rule: CorsRule) -> str:
    parts = [
        xml.element("AllowedOrigins", ",".join(rule.origins)), xml.element("AllowedMethods", ",".join(rule.methods)),
        xml.element("AllowedHeaders", ",".join(rule.headers)), xml.element("ExposedHeaders", ",".join(rule.exposed)),
        xml.element("MaxAgeInSeconds", str(rule.age)),
    ]  # fmt: skip
    return xml.parent("CorsRule", parts)


def _read_metrics(element: Element) -> Metrics:
    enabled = _truth(element, "Enabled")
    version = _required(element, "Version")
    if version != "1.0":
        raise _bad("Version", version)
    if enabled and child(element, "IncludeAPIs") is None:
        raise Refused("MissingRequiredXmlNode", XmlNodeName="IncludeAPIs")
    apis = _truth(element, "IncludeAPIs") if enabled else None
    retention = child(element, "RetentionPolicy")
    days = None if retention is None or not _truth(retention, "Enabled") else _count(retention, "Days", 1, MAX_DAYS)
    return Metrics(enabled=enabled, apis=apis, days=days)


def _read_rules(element: Element) -> tuple[CorsRule, ...]:
    rules = tuple(map(_read_rule, element))
    size = sum(len(word) for each in rules for word in (*each.origins, *each.methods, *each.headers, *each.exposed))
    if len(rules) > MAX_RULES or size > MAX_CORS:
        raise Refused("InvalidXmlDocument")
    return rules


def _read_rule(element: Element) -> CorsRule:
    if local_name(element) != "CorsRule":
        raise Refused("InvalidXmlDocument")
    origins, methods = _words(element, "AllowedOrigins"), _words(element, "AllowedMethods")
    if not origins or len(origins) > MAX_ORIGINS:
        raise _bad("AllowedOrigins", ",".join(origins))
    if not methods or not set(methods) <= METHODS:
        raise _bad("AllowedMethods", ",".join(methods))
    for name in ("AllowedHeaders", "ExposedHeaders"):
        _check_names(name, _words(element, name))
    return CorsRule(
        origins=origins, methods=methods, headers=_words(element, "AllowedHeaders"),
        exposed=_words(element, "ExposedHeaders"), age=_count(element, "MaxAgeInSeconds", 0, MAX_AGE),
    )  # fmt: skip


def _check_names(name: str, given: tuple[str, ...]) -> None:
    """At most 64 whole names and 2 that end in `*`; no star elsewhere."""
    prefixed = [each for each in given if each.endswith("*") and each != "*"]
    if len(prefixed) > MAX_PREFIXED or len(given) - len(prefixed) > MAX_LITERAL:
        raise _bad(name, ",".join(given))
    if any("*" in each[:-1] for each in given):
        raise _bad(name, ",".join(given))


def _read_protocols(element: Element) -> dict[str, object]:
    """The settings that are there; an empty element says nothing of its own."""
    changes: dict[str, object] = {}
    for protocol, setting, inner, field in (
        ("SMB", "Multichannel", "Enabled", "multichannel"),
        ("SMB", "EncryptionInTransit", "Required", "smb_encrypted"),
        ("NFS", "EncryptionInTransit", "Required", "nfs_encrypted"),
    ):
        above = child(element, protocol)
        found = None if above is None else child(above, setting)
        if found is not None:
            changes[field] = _truth(found, inner)
    return changes


_PARTS: Mapping[str, Callable[[Element], dict[str, object]]] = {
    "HourMetrics": lambda element: {"hour": _read_metrics(element)},
    "MinuteMetrics": lambda element: {"minute": _read_metrics(element)},
    "Cors": lambda element: {"cors": _read_rules(element)},
    "ProtocolSettings": _read_protocols,
}


def _bad(name: str, value: str) -> Refused:
    return Refused("InvalidXmlNodeValue", XmlNodeName=name, XmlNodeValue=value)


def _required(element: Element, name: str) -> str:
    found = child(element, name)
    if found is None:
        raise Refused("MissingRequiredXmlNode", XmlNodeName=name)
    return (found.text or "").strip()


def _truth(element: Element, name: str) -> bool:
    text = _required(element, name)
    if text.lower() not in {"true", "false"}:
        raise _bad(name, text)
    return text.lower() == "true"


def _count(element: Element, name: str, least: int, most: int) -> int:
    text = _required(element, name)
    found = parse_count(text)
    if found is None or not least <= found <= most:
        raise _bad(name, text)
    return found


def _words(element: Element, name: str) -> tuple[str, ...]:
    words = tuple(word.strip() for word in _required(element, name).split(",") if word.strip())
    if any(len(word) > MAX_NAME for word in words):
        raise _bad(name, ",".join(words))
    return words
