"""Who is let in, and what each may do (NOTES section 7; identity's roles)."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from tests.faces.superoffice.site import Site, WallClock

from linarite.engine.model import MINUTE, Role
from linarite.faces.superoffice.sessions import KIND, LIFETIME, session_name
from linarite.identity import users

TICKET, BEARER, COOKIE, XSRF = "7T:abcdef", "8A:Cust00001.token", "a-session", "a-value"


@pytest.fixture(scope="module", autouse=True)
def sessions(site: Site) -> None:
    site.session(TICKET, "ticket")
    site.session(BEARER, "bearer")
    site.session(COOKIE, "cookie", XSRF)


def get(site: Site, **headers: str) -> Any:
    return site.call("GET", "/api/v1/BatchTask/All", auth=None, headers=headers)


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": basic("dev:linarite")},
        {"Authorization": basic("DEV:linarite").replace("Basic", "basic")},
        {"Authorization": f"SOTICKET {TICKET}"},
        {"Authorization": f"SoTicket {TICKET}"},
        {"Authorization": f"Bearer {BEARER}"},
        {"Cookie": f"other=1; SOSESSION={COOKIE}; XSRF-TOKEN={XSRF}", "X-XSRF-TOKEN": XSRF},
    ],
)
def test_a_known_caller_is_let_in(site: Site, headers: dict[str, str]) -> None:
    """Basic, ticket, bearer token, and cookie with its X-XSRF-TOKEN."""
    assert get(site, **headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": basic("dev:wrong")},
        {"Authorization": basic("nobody:linarite")},
        {"Authorization": basic("dev")},
        {"Authorization": "Basic !!!"},
        {"Authorization": "Digest x"},
        {"Authorization": ""},
        {"Authorization": "SOTICKET"},
        {"Authorization": "SOTICKET 7T:other"},
        {"Authorization": f"SOTICKET {BEARER}"},
        {"Authorization": f"Bearer {TICKET}"},
        {"Authorization": f"Bearer {COOKIE}"},
        {"Authorization": "Bearer \u00e9"},
        {"Cookie": f"SOSESSION={COOKIE}; XSRF-TOKEN={XSRF}"},
        {"Cookie": f"SOSESSION={COOKIE}", "X-XSRF-TOKEN": XSRF},
        {"Cookie": f"SOSESSION={COOKIE}; XSRF-TOKEN={XSRF}", "X-XSRF-TOKEN": "other"},
        {"Cookie": f"SOSESSION={COOKIE}; XSRF-TOKEN=other", "X-XSRF-TOKEN": "other"},
        {"Cookie": f"SOSESSION={TICKET}; XSRF-TOKEN={XSRF}", "X-XSRF-TOKEN": XSRF},
        {"Cookie": f"SOSESSION=; XSRF-TOKEN={XSRF}", "X-XSRF-TOKEN": XSRF},
        {"X-XSRF-TOKEN": XSRF},
    ],
)
def test_an_unknown_caller_is_401(site: Site, headers: dict[str, str]) -> None:
    """No credentials, wrong ones, or ones of another kind: 401 in the first shape, with a challenge."""
    answer = get(site, **{name: value.encode("utf-8") for name, value in headers.items()})  # type: ignore[arg-type]
    body = answer.json()
    assert (answer.status_code, body["Error"], body["ErrorType"]) == (401, True, "SoSessionException")
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")
    assert COOKIE not in answer.text


def test_an_unknown_caller_changes_nothing(site: Site) -> None:
    """Without the X-XSRF-TOKEN a session's cookie starts, stops and deletes nothing."""
    id = site.start()
    site.running(id)
    cookie = {"Cookie": f"SOSESSION={COOKIE}; XSRF-TOKEN={XSRF}"}
    before = len(site.tasks())
    for method, path in (
        ("POST", "/api/v1/BatchTask"),
        ("POST", f"/api/v1/BatchTask/{id}/Stop"),
        ("DELETE", f"/api/v1/BatchTask/{id}"),
        ("PUT", f"/api/v1/BatchTask/{id}"),
    ):
        answer = site.call(method, path, auth=None, headers=cookie, json={"Name": "slow", "State": "Failed"})
        assert answer.status_code == 401
    assert (site.info(id)["State"], len(site.tasks())) == ("Started", before)


def test_a_session_ends_six_hours_after_its_last_use(site: Site) -> None:
    """A session that was used lives on, written at most once a minute; one that was not is gone."""
    now = WallClock().now()
    site.session("7T:old", "ticket", now=now - LIFETIME - 1)
    site.session("7T:near", "ticket", now=now - LIFETIME + MINUTE)
    assert get(site, Authorization="SOTICKET 7T:old").status_code == 401
    assert get(site, Authorization="SOTICKET 7T:near").status_code == 200
    name, later = session_name("7T:near"), now + LIFETIME - MINUTE
    kept = site.run(site.engine.ask(lambda tx: tx.documents.get(KIND, name, later)))
    assert kept is not None
    assert kept["used"] >= now
    assert get(site, Authorization="SOTICKET 7T:near").status_code == 200
    assert site.run(site.engine.ask(lambda tx: tx.documents.get(KIND, name, later))) == kept


def test_a_session_of_a_user_who_is_gone_is_401(site: Site) -> None:
    """A session does not outlive its user."""
    site.session("7T:ghost", "ticket", user="ghost")
    assert get(site, Authorization="SOTICKET 7T:ghost").status_code == 401


def test_users_of_a_role_may_do_what_it_says(site: Site) -> None:
    """A reader reads and starts nothing; a writer changes their own tasks alone; an administrator all."""
    reader, writer = site.user("reader", Role.READ), site.user("writer", Role.WRITE)
    mine = site.start()
    theirs = site.call("POST", "/api/v1/BatchTask", auth=writer, json={"Name": "slow"}).json()
    for user, id in ((reader, mine), (reader, theirs), (writer, mine)):
        for method, path in (("POST", f"/{id}/Stop"), ("DELETE", f"/{id}"), ("PUT", f"/{id}")):
            answer = site.call(method, f"/api/v1/BatchTask{path}", auth=user, json={"Response": "mine"})
            assert (answer.status_code, answer.json()["ErrorType"]) == (403, "SoSecurityException")
    assert site.call("POST", "/api/v1/BatchTask", auth=reader, json={"Name": "slow"}).status_code == 403
    seen = site.call("GET", f"/api/v1/BatchTask/{mine}", auth=writer).json()
    assert (seen["TableRight"]["Mask"], seen["Response"]) == ("Select", "")
    own = site.call("GET", f"/api/v1/BatchTask/{theirs}", auth=writer).json()
    number = site.run(site.engine.ask(lambda tx: users.find(tx, "writer", WallClock().now())))
    assert number is not None
    assert (own["AssociateId"], own["TableRight"]["Mask"]) == (number.number, "FULL")
    assert site.call("POST", f"/api/v1/BatchTask/{theirs}/Stop", auth=writer).json() is True
    assert site.call("DELETE", f"/api/v1/BatchTask/{theirs}").status_code == 204
