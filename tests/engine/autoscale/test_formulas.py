"""Whole formulas: their syntax, their variables, what they do to the pool, and how much work they may make."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.engine.autoscale.facts import complaint, facts, outcome, variables

from linarite.engine.autoscale.evaluation import MOST_NODES, MOST_PRINTED, MOST_STEPS, evaluate
from linarite.engine.autoscale.faults import SyntaxFault
from linarite.engine.autoscale.functions import FUNCTIONS
from linarite.engine.autoscale.metrics import METRICS
from linarite.engine.autoscale.parsing import DEEPEST, LONGEST, MOST_STATEMENTS, parse
from linarite.engine.autoscale.values import INTERVALS

# -- syntax ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "formula",
    [
        "a=1;b=2", "a=1;b=2;", " a = 1 ;\r\n\tb=2 ; ", "a=1;;b=2", "/* one */a=1;// two\nb=2", "a=1;b=2// the end",
        "a=1;/* several\nlines; */b=2", "a=1;b=/**/2/***/",
    ],
)  # fmt: skip
def test_spaces_comments_and_empty_statements_mean_nothing(formula: str):
    assert variables(formula) == "a=1;b=2"


@pytest.mark.parametrize("formula", ["", " ", ";", "// nothing", "/* nothing */"])
def test_formula_may_say_nothing(formula: str):
    found = outcome(formula)
    assert (found.dedicated, found.low_priority, found.variables) == (2, 1, "")


@pytest.mark.parametrize(
    ("formula", "where", "reason"),
    [
        ("a=1 b=2", "Line 1, Col 5", "'b' is not expected here."),
        ("a=\n  {pool}", "Line 2, Col 3", "'{' is not expected here."),
        ("a=5%2", "Line 1, Col 4", "'%' is not expected here."),
        ("a=(1+2", "Line 1, Col 7", "The formula ends too early."),
        ("a=1;\nb=", "Line 2, Col 3", "The formula ends too early."),
        ("a=1)", "Line 1, Col 4", "')' is not expected here."),
        ("1=a", "Line 1, Col 2", "'=' is not expected here."),
        ("a=b=1", "Line 1, Col 4", "'=' is not expected here."),
        ("a=1&2", "Line 1, Col 4", "'&' is not expected here."),
        ("a=max(1,)", "Line 1, Col 9", "')' is not expected here."),
        ("a=1?2", "Line 1, Col 6", "The formula ends too early."),
        ("a=$", "Line 1, Col 3", "'$' is not expected here."),
        ("a='x'", "Line 1, Col 3", "''' is not expected here."),
        ('a="x', "Line 1, Col 3", "'\"' is not expected here."),
        ("a=1/* no end", "Line 1, Col 5", "'*' is not expected here."),
        ("a.b=1", "Line 1, Col 4", "'=' is not expected here."),
        ("a=x.1", "Line 1, Col 5", "'1' is not expected here."),
    ],
)  # fmt: skip
def test_syntax_is_refused_where_it_is_wrong(formula: str, where: str, reason: str):
    with pytest.raises(SyntaxFault) as caught:
        parse(formula)
    assert caught.value.text == f"{where}: {reason}"


# -- variables -------------------------------------------------------------------------------------------------------


def test_results_have_the_users_variables_in_the_order_of_their_characters():
    """As the service was seen to print them: `$` before letters, capitals before small ones."""
    assert variables("b=1;$b=2;B=3;$a=4;a_1=5") == "$a=4;$b=2;B=3;a_1=5;b=1"


def test_variable_keeps_its_last_value_and_may_change_its_type():
    assert variables("a=1;a=a+1;b=a;a=[a]") == "a=[2];b=2"


def test_names_know_capitals():
    assert variables("Max=1;max=2;x=max(Max,max)") == "Max=1;max=2;x=2"


def test_expression_alone_is_evaluated_and_forgotten():
    assert variables("1+2;a=1;$PendingTasks") == "a=1"
    assert complaint("a=1;\n  $something_useless") == "Line 2, Col 3: '$something_useless' is not defined."


@pytest.mark.parametrize("name", ["$PendingTasks", "TimeInterval_Hour", "requeue"])
def test_what_the_service_defines_cannot_be_assigned(name: str):
    assert complaint(f"{name}=1") == f"Line 1, Col 1: '{name}' cannot be assigned."


# -- what formulas do to the pool ------------------------------------------------------------------------------------


def test_formula_sets_targets_and_option():
    found = outcome("$TargetDedicatedNodes=3;$TargetLowPriorityNodes=4;$NodeDeallocationOption=taskcompletion")
    assert (found.dedicated, found.low_priority, found.option, found.variables) == (3, 4, "taskcompletion", "")


def test_targets_that_are_not_set_stay_and_a_fraction_of_a_node_is_none():
    found = outcome("$TargetDedicatedNodes=$TargetDedicatedNodes+2.9")
    assert (found.dedicated, found.low_priority, found.option) == (4, 1, "requeue")


@pytest.mark.parametrize(
    ("formula", "dedicated"),
    [
        ("$TargetDedicated=5", 5), ("$TargetDedicated=5;$TargetDedicatedNodes=6", 6),
        ("$TargetDedicatedNodes=6;$TargetDedicated=5", 6), ("$TargetDedicatedNodes=6;$TargetDedicatedNodes=7", 7),
        ("$TargetDedicatedNodes=6;$TargetDedicated=$TargetDedicated+1", 6), ("$TargetDedicatedNodes=-0.9", 0),
        ("$TargetDedicatedNodes=$CurrentDedicatedNodes*1.5", 4), ("$TargetDedicatedNodes=$RunningTasks", 2),
        (f"$TargetDedicatedNodes={MOST_NODES}", MOST_NODES),
    ],
)  # fmt: skip
def test_full_name_wins_over_its_alias(formula: str, dedicated: int):
    assert outcome(formula).dedicated == dedicated


@pytest.mark.parametrize("option", ["requeue", "terminate", "taskcompletion", "retaineddata"])
def test_each_deallocation_option_can_be_set_and_kept(option: str):
    found = outcome(f"later={option};$NodeDeallocationOption=1>2?requeue:later")
    assert (found.option, found.variables) == (option, f"later={option}")


@pytest.mark.parametrize(
    ("formula", "reason"),
    [
        ("$TargetDedicatedNodes=-1", "$TargetDedicatedNodes is -1: it is from 0 to 10000."),
        ("$TargetDedicatedNodes=1/0", "$TargetDedicatedNodes is inf: it is from 0 to 10000."),
        ("$TargetDedicatedNodes=avg()", "$TargetDedicatedNodes is nan: it is from 0 to 10000."),
        ("$TargetLowPriority=10001", "$TargetLowPriority is 10001: it is from 0 to 10000."),
        ("$TargetDedicatedNodes=[1]", "$TargetDedicatedNodes is a double, not a doubleVec."),
        ('$TargetLowPriorityNodes="1"', "$TargetLowPriorityNodes is a double, not a string."),
        ("$NodeDeallocationOption=1", "$NodeDeallocationOption is a deallocation option, not a double."),
        ('$NodeDeallocationOption="requeue"', "$NodeDeallocationOption is a deallocation option, not a string."),
    ],
)  # fmt: skip
def test_target_that_is_no_number_of_nodes_is_refused(formula: str, reason: str):
    assert complaint(f"a=1;{formula}") == f"Line 1, Col 5: {reason}"


def test_stop_keeps_what_was_decided_until_then():
    found = outcome("$TargetDedicatedNodes=3;a=1>0?stop():2;$TargetDedicatedNodes=4")
    assert (found.dedicated, found.variables) == (3, "")


def test_fault_takes_everything_back():
    assert complaint("$TargetDedicatedNodes=3;$NodeDeallocationOption=terminate;x=y").startswith("Line 1, Col 61:")


# -- bounded work ----------------------------------------------------------------------------------------------------


def test_limits_are_kept():
    assert len(parse("a=1;" * MOST_STATEMENTS)) == MOST_STATEMENTS
    with pytest.raises(SyntaxFault, match="more than 100 statements"):
        parse("a=1;" * (MOST_STATEMENTS + 1))
    assert parse("a=1" + " " * (LONGEST - 3))
    with pytest.raises(SyntaxFault, match="more than 8192 characters"):
        parse("a=1" + " " * (LONGEST - 2))


@pytest.mark.parametrize(
    "formula",
    ["a=" + "-" * 4000 + "1", "a=" + "1?1:" * 2000 + "1", "a=" + "max(" * 1600 + ")" * 1600,
    "a=" + "[" * 4000 + "]" * 4000,
     "a=x" + ".b" * 4000, "a=" + "1+(" * 2000 + "1" + ")" * 2000],
    ids=["signs", "choices", "calls", "vectors", "members", "sums"],
)  # fmt: skip
def test_deep_nesting_is_refused_and_not_followed(formula: str):
    with pytest.raises(SyntaxFault, match=f"nested more than {DEEPEST} deep"):
        parse(formula)


def test_parentheses_and_long_sums_are_not_deep():
    assert variables("a=" + "(" * 4000 + "1" + ")" * 4000) == "a=1"
    assert variables("a=1" + "+1" * 4000) == "a=4001"
    assert variables("a=0" + "||0" * 2000) == "a=0"


@pytest.mark.parametrize(
    "formula",
    [
        "v=vec(1,2);" + "v=vec(v,v);" * 60, "v=vec(1,2);" + "v=[v,v];" * 60,
        "v=vec(" + "1," * 900 + "1);" + ";".join(["v=vec(v,v)"] * 6) + ";" + "w=v+v;" * 80,
        "v=vec(" + "1," * 900 + "1);" + "v=vec(v,v,v,v);" * 3 + "w=vec(" + ",".join(["v"] * 2000) + ")",
    ],
)  # fmt: skip
def test_formula_cannot_make_more_work_than_it_is_allowed(formula: str):
    """Vectors that double with each statement end at a limit, long before memory does."""
    assert complaint(formula) == f"Line 1, Col 1: The formula takes more than {MOST_STEPS} steps."


def test_results_are_as_bounded_as_the_work():
    """What is printed is paid for too: a hundred names for one long vector are not a hundred long vectors."""
    assert "steps" in complaint("v=vec(" + "1," * 1800 + "1);" + "".join(f"v{number}=v;" for number in range(80)))
    assert "steps" in complaint('s="' + "x" * 7000 + '";' + "".join(f"s{number}=s;" for number in range(80)))


def test_long_results_are_cut():
    printed = variables("v=vec(" + "1000," * 1200 + "1);" + "".join(f"v{number}=v;" for number in range(19)))
    assert len(printed) == MOST_PRINTED
    assert printed.startswith("v=[1000,1000,")
    assert printed.endswith("...")


NAMES = [
    *FUNCTIONS, *METRICS, *INTERVALS, "stop", "a", "b", "$a", "requeue", "$TargetDedicatedNodes", "$TargetDedicated",
    "$NodeDeallocationOption", "GetSample", "GetSamplePercent", "Count", "hour", "weekday",
]  # fmt: skip
SIGNS = [
    "+", "-", "*", "/", "<", "<=", "==", "!=", ">", ">=", "&&", "||",
    "!", "?", ":", "(", ")", "[", "]", ",", ".", "=", ";",
]  # fmt: skip
LEAVES = st.one_of(
    st.floats(0, 1e308).map(repr), st.integers(0, 10**20).map(str), st.sampled_from(NAMES),
    st.text("ab2016-T:Z", max_size=8).map('"{}"'.format),
)  # fmt: skip
METHODS = ["GetSample", "GetSamplePercent", "Count", "HistoryBeginTime"]


def _compounds(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    some = st.lists(inner, max_size=4).map(",".join)
    return st.one_of(
        st.tuples(inner, st.sampled_from(SIGNS[:12]), inner).map("".join),
        st.tuples(st.sampled_from("-!"), inner).map("".join),
        st.tuples(inner, inner, inner).map(lambda three: "{}?{}:{}".format(*three)),
        inner.map("({})".format),
        some.map("[{}]".format),
        st.tuples(st.sampled_from(list(FUNCTIONS)), some).map(lambda call: "{}({})".format(*call)),
        st.tuples(st.sampled_from(list(METRICS)), st.sampled_from(METHODS), some).map(
            lambda call: "{}.{}({})".format(*call)
        ),
        st.tuples(inner, st.sampled_from(["hour", "year"])).map(".".join),
    )


EXPRESSIONS = st.recursive(LEAVES, _compounds, max_leaves=30)
FORMULAS = st.lists(st.tuples(st.sampled_from(["a", "b", "$a", "$TargetDedicatedNodes"]), EXPRESSIONS), max_size=6).map(
    lambda statements: ";".join("=".join(statement) for statement in statements)
)
NOISE = st.lists(st.one_of(st.sampled_from(NAMES + SIGNS), st.text(max_size=5)), max_size=60).map("".join)


@settings(max_examples=400, deadline=None)
@given(st.one_of(FORMULAS, NOISE))
def test_any_text_ends_soon_in_a_decision_or_in_a_fault_of_the_language(formula: str):
    """Formulas made at random, and no formulas at all: nothing else is raised, no target is out of bounds."""
    began = time.process_time()
    try:
        found = evaluate(parse(formula), facts())
    except SyntaxFault:
        return
    finally:
        assert time.process_time() - began < 5
    assert 0 <= found.dedicated <= MOST_NODES
    assert len(found.variables) <= MOST_PRINTED
