"""Which runs are submitted together and what sbatch is told, on paper."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.nodes.helpers import NODE
from tests.nodes.slurm.parts import make_attempt, submitted

from linarite.engine.launching import Together
from linarite.nodes.slurm.attempts import Attempt
from linarite.nodes.slurm.options import Options, Where
from linarite.nodes.slurm.submitting import arrays, kind, spans, together, words

OTHER = replace(NODE, node="node2")


def instances(task: str, size: int, *numbers: int) -> list[Attempt]:
    return [
        make_attempt(f"{task}-{number}", node=replace(NODE, node=f"node{number}"),
                     together=Together(task=task, size=size, instance=number))
        for number in numbers
    ]  # fmt: skip


def names(several: list[Attempt]) -> list[str]:
    return [attempt.run for attempt in several]


def test_runs_that_are_alike_are_one_array():
    """Of one node, so many slots, one limit: what differs in anything is another array."""
    alike = [make_attempt(f"a{number}") for number in range(3)]
    other = [
        make_attempt("b", node=OTHER),
        make_attempt("c", slots=2),
        make_attempt("d", time_limit=60),
        make_attempt("e", size="large"),
        submitted("token", run="f"),
    ]
    options = Options(sizes={"LARGE": Where(partition="big")})
    found = [names(several) for _, several in arrays([*alike, *other], options, 1000)]
    assert found == [["a0", "a1", "a2"], ["b"], ["c"], ["d"], ["e"], ["f"]]


def test_array_of_too_many_is_several():
    several = [make_attempt(str(number)) for number in range(2500)]
    found = arrays(several, Options(), 1000)
    assert [len(part) for _, part in found] == [1000, 1000, 500]
    assert [name for _, part in found for name in names(part)] == [str(number) for number in range(2500)]


def test_what_is_submitted_again_keeps_its_place():
    """So that whichever of its jobs starts first has the same run."""
    again = [submitted("one", "3", run="a"), submitted("one", "7", run="b"), submitted("two", "0", run="c")]
    found = [(kind.token, names(several)) for kind, several in arrays(again, Options(), 1000)]
    assert found == [("one", ["a", "b"]), ("two", ["c"])]


def test_instances_wait_until_they_are_complete():
    whole, part = instances("t", 3, 2, 0, 1), instances("u", 3, 0, 2)
    ((found, several),) = together([*whole, *part], Options())
    assert (found.nodes, found.together, found.minutes) == (("node0", "node1", "node2"), True, 0)
    assert names(several) == ["t-0", "t-1", "t-2"]
    assert arrays([*whole, *part], Options(), 1000) == []


def test_command_line_of_several_machines_is_no_job_of_its_own():
    command = make_attempt(together=Together(task="t", size=2))
    assert arrays([command], Options(), 1000) == []
    assert together([command], Options()) == []


def test_words():
    told = words(kind(make_attempt(slots=3, time_limit=61), Options()), [0, 1, 2, 5])
    assert "--no-requeue" in told
    assert {"--nodelist=node1", "--nodes=1", "--cpus-per-task=3", "--array=0-2,5", "--chdir=/"} <= set(told)
    assert "--time=4" in told, "62 s are two minutes, and the wrapper comes first"
    assert not any(word.startswith(("--export", "--requeue", "--constraint")) for word in told)


def test_words_without_a_limit():
    assert not any(word.startswith("--time") for word in words(kind(make_attempt(), Options()), [0]))


def test_words_of_several_machines():
    ((found, _),) = together(instances("t", 2, 0, 1), Options())
    told = words(found, [0, 0])
    assert {"--nodelist=node0,node1", "--nodes=2", "--ntasks=2", "--ntasks-per-node=1"} <= set(told)
    assert not any(word.startswith("--array") for word in told)


def test_words_of_the_settings_come_last():
    where = Where(partition="p", account="a", qos="q", options=("--reservation=r", "--exclusive"))
    told = words(kind(make_attempt(), Options(usual=where)), [0])
    assert told[-5:] == ["--partition=p", "--account=a", "--qos=q", "--reservation=r", "--exclusive"]


@given(st.sets(st.integers(0, 1000), min_size=1))
def test_spans_name_each_number_once(numbers: set[int]):
    found = list[int]()
    for part in spans(numbers).split(","):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    assert found == sorted(numbers)
