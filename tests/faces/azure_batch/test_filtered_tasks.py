"""$filter from text to rows: whatever it says, the store gives the tasks that a plain reading of it picks."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from operator import eq, ge, gt, le, lt, ne
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.contract.records import NOW, task

from linarite.engine.filtering import Expression
from linarite.engine.model import Task, TaskResult, TaskState
from linarite.faces.azure_batch.filters import TASKS, compile_filter
from linarite.store import SqlStore, listing, open_store

SECOND = 1_000_000
OPERATORS = {"eq": eq, "ne": ne, "gt": gt, "ge": ge, "lt": lt, "le": le}
IDS = ["a", "A-1", "a-2", "ab", "b", "B_1", "b-10", "task-1", "task-10", "TASK-2", "x9", "zz"]
Test = Callable[[Task], bool]


class Told(NamedTuple):
    """A condition as a user writes it, and what it means."""

    text: str
    holds: Test


def some_tasks() -> list[Task]:
    """Tasks of all kinds, the same in each run."""
    luck = random.Random(1)
    made = []
    for place, name in enumerate(f"{prefix}{n}" if n else prefix for n in range(6) for prefix in IDS):
        state = luck.choice(list(TaskState))
        over = state is TaskState.COMPLETED
        code = luck.choice([None, 0, 0, 1, 3, -1, 255]) if over else None
        result = luck.choice(list(TaskResult)) if over else None
        made.append(
            task(
                name, alias=place + 1, state=state, queued=state is TaskState.ACTIVE and luck.random() < 0.5,
                exit_code=code, result=result, created_at=NOW + luck.randrange(5) * SECOND,
                state_at=NOW + luck.randrange(5) * SECOND, ended_at=NOW + luck.randrange(5) * SECOND if over else None,
                started_at=NOW + SECOND if state is not TaskState.ACTIVE else None,
            )
        )  # fmt: skip
    return made


ALL = list({t.spec.id.lower(): t for t in some_tasks()}.values())


def compared(name: str, operator: str, shown: str, value: Any, get: Callable[[Task], Any]) -> Told:
    """What is absent is unequal to all, and neither less nor greater."""

    def holds(each: Task) -> bool:
        found = get(each)
        return operator == "ne" if found is None else bool(OPERATORS[operator](found, value))

    return Told(f"{name} {operator} {shown}", holds)


def a_moment(name: str, get: Callable[[Task], Any]) -> st.SearchStrategy[Told]:
    def of(operator: str, seconds: int, form: str) -> Told:
        text = f"2023-11-14T22:13:{20 + seconds}Z"
        return compared(name, operator, form.format(text), NOW + seconds * SECOND, get)

    return st.builds(
        of,
        st.sampled_from(list(OPERATORS)),
        st.integers(-1, 5),
        st.sampled_from(["DateTime'{}'", "{}", "datetime'{}'"]),
    )


def a_word(name: str, words: list[str], get: Callable[[Task], Any]) -> st.SearchStrategy[Told]:
    return st.builds(
        lambda operator, word, shout: compared(name, operator, f"'{word.upper() if shout else word}'", word, get),
        st.sampled_from(["eq", "ne"]), st.sampled_from(words), st.booleans(),
    )  # fmt: skip


def lower_id(each: Task) -> str:
    return each.spec.id.lower()


NAMES = st.sampled_from([*IDS, "", "task-", "a-", "nothing"])
COMPARISONS = st.one_of(
    st.builds(
        lambda operator, name: compared("id", operator, f"'{name}'", name.lower(), lower_id),
        st.sampled_from(list(OPERATORS)), NAMES,
    ),
    st.builds(lambda name: Told(f"startswith(id,'{name}')", lambda t: lower_id(t).startswith(name.lower())), NAMES),
    a_word("state", [state.value for state in TaskState], lambda t: t.state.value),
    a_word("executionInfo/result", ["success", "failure"], lambda t: t.result and t.result.value),
    st.builds(
        lambda operator, code: compared("executionInfo/exitCode", operator, str(code), code, lambda t: t.exit_code),
        st.sampled_from(list(OPERATORS)), st.sampled_from([0, 1, 2, 3, -1, 255]),
    ),
    a_moment("creationTime", lambda t: t.created_at),
    a_moment("stateTransitionTime", lambda t: t.state_at),
    a_moment("executionInfo/endTime", lambda t: t.ended_at),
    a_moment("executionInfo/startTime", lambda t: t.started_at),
)  # fmt: skip


def joined(word: str, parts: list[Told], judge: Callable[[Iterator[bool]], bool]) -> Told:
    text = f" {word} ".join(f"({part.text})" for part in parts)
    return Told(text, lambda t: judge(part.holds(t) for part in parts))


CONDITIONS = st.recursive(
    COMPARISONS,
    lambda inner: (
        st.builds(joined, st.just("and"), st.lists(inner, min_size=2, max_size=3), st.just(all))
        | st.builds(joined, st.just("or"), st.lists(inner, min_size=2, max_size=3), st.just(any))
    ),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., list[str]]]:
    """A function that lists all tasks for which a condition holds, page by page."""
    with asyncio.Runner() as runner:
        store = runner.run(_filled(tmp_path_factory.mktemp("filtered") / "store.db"))
        yield lambda where, limit: runner.run(_listed(store, where, limit))
        runner.run(store.close())


async def _filled(path: Path) -> SqlStore:
    store = open_store(path)
    others = [task(f"other-{n}", job_key=2, alias=n) for n in range(1, 50)]
    mixed = [each for pair in zip(ALL, others, strict=False) for each in pair]
    await store.write(lambda tx: tx.tasks.insert([*mixed, *ALL[len(others) :]]))
    return store


async def _listed(store: SqlStore, where: Expression | None, limit: int) -> list[str]:
    found: list[str] = []
    position: str | None = ""
    while position is not None:
        page = await store.read(lambda tx, start=position: tx.tasks.listed(1, where, start, limit))
        assert len(page.records) <= limit
        found += [each.spec.id for each in page.records]
        position = page.position
    return found


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    told=CONDITIONS, limit=st.sampled_from([1, 3, 1000]), chunk=st.sampled_from([1, 2, 7, 10_000]),
    probe=st.sampled_from([1, 5, 2_000]), patience=st.sampled_from([0.0, 10.0]),
)  # fmt: skip
def test_filter_lists_just_the_tasks_that_it_says(
    ask: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch, told: Told, limit: int, chunk: int, probe: int,
    patience: float,
):  # fmt: skip
    """Each of them once, whatever the length of a page and however little a request looks at."""
    monkeypatch.setattr(listing, "CHUNK", chunk)
    monkeypatch.setattr(listing, "PROBE", probe)
    monkeypatch.setattr(listing, "PATIENCE", patience)
    found = ask(compile_filter(told.text, TASKS), limit)
    assert len(found) == len(set(found))
    assert set(found) == {each.spec.id for each in ALL if told.holds(each)}, told.text
