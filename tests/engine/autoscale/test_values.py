"""Operators, functions, types and what results print: each by the service's own tables."""

from __future__ import annotations

import pytest
from tests.engine.autoscale.facts import complaint, variables

VALUES = [
    # Numbers and how they are printed.
    ("1", "1"), ("2.50", "2.5"), (".5", "0.5"), ("1e3", "1000"), ("96.66666667", "96.6667"), ("16777216",
    "1.67772e+07"),
    ("0.1+0.2", "0.3"), ("1/3", "0.333333"), ("1/0", "inf"), ("-1/0", "-inf"), ("0/0", "nan"), ("1e400", "inf"),
    # Arithmetic and its ranks.
    ("1+2*3", "7"), ("(1+2)*3", "9"), ("7-2-1", "4"), ("8/4/2", "1"), ("2*-3", "-6"), ("--2", "2"), ("-2+5", "3"),
    ("!0", "1"), ("!3", "0"), ("!1+1", "1"),
    # Comparisons are 1 or 0; && and || read no further than they must.
    ("1<2", "1"), ("2<=1", "0"), ("1==1", "1"), ("1!=1", "0"), ("2>=2", "1"), ("1>2", "0"), ("1+1==2", "1"),
    ("1<2==1", "1"), ("1&&2", "1"), ("1&&0", "0"), ("0||0", "0"), ("0||5", "1"), ("0&&nobody", "0"), ("1||nobody", "1"),
    ("1||0&&0", "1"), ("0/0==0/0", "0"),
    # One of two, from the right; the other one is not evaluated.
    ("1?2:3", "2"), ("0?2:3", "3"), ("0?1:0?2:3", "3"), ("1?0?1:2:3", "2"), ("1<2?10:20", "10"), ("1?2:nobody", "2"),
    ("0?nobody:2", "2"),
    # Vectors.
    ("[1,2.5,3]", "[1,2.5,3]"), ("[]", "[]"), ("[[1,2],3]", "[1,2,3]"), ("vec(1,[2,3])", "[1,2,3]"), ("[1,2]+1",
    "[2,3]"),
    ("[1,2]-[3,5]", "[-2,-3]"), ("[1,2]*2", "[2,4]"), ("[1,2]/[2,0]", "[0.5,inf]"), ("[4]/2", "[2]"),
    # Strings.
    ('"abc"', "abc"), ('"a"<"b"', "1"), ('"a"=="b"', "0"), ('"a"!="b"', "1"), ('"b">="b"', "1"),
    # Intervals.
    ("TimeInterval_Zero", "00:00:00"), ("TimeInterval_100ns", "00:00:00.0000001"),
    ("TimeInterval_Microsecond", "00:00:00.0000010"), ("TimeInterval_Millisecond", "00:00:00.0010000"),
    ("TimeInterval_Second", "00:00:01"), ("TimeInterval_Minute", "00:01:00"), ("TimeInterval_Hour", "01:00:00"),
    ("TimeInterval_Day", "1.00:00:00"), ("TimeInterval_Week", "7.00:00:00"), ("TimeInterval_Year", "365.00:00:00"),
    ("5*TimeInterval_Minute", "00:05:00"), ("TimeInterval_Minute*1.5", "00:01:30"), ("TimeInterval_Hour/4", "00:15:00"),
    ("TimeInterval_Hour+TimeInterval_Minute", "01:01:00"), ("TimeInterval_Minute-TimeInterval_Hour", "-00:59:00"),
    ("-TimeInterval_Day", "-1.00:00:00"), ("TimeInterval_Hour>TimeInterval_Minute", "1"),
    ("TimeInterval_Minute*60==TimeInterval_Hour", "1"),
    # Moments.
    ("time()", "2016-10-13T19:18:47.805Z"), ('time("")', "2016-10-13T19:18:47.805Z"),
    ("time()+TimeInterval_Day", "2016-10-14T19:18:47.805Z"), ("TimeInterval_Day+time()", "2016-10-14T19:18:47.805Z"),
    ("time()+(-6*TimeInterval_Hour)", "2016-10-13T13:18:47.805Z"), ("time()-time()", "00:00:00"),
    ('time()-time("2016-10-13T19:00:00Z")', "00:18:47.8050000"), ('time()>time("2016")', "1"), ("time().year", "2016"),
    ("time().month", "10"), ("time().day", "13"), ("time().weekday", "4"), ("time().hour", "19"), ("time().minute",
    "18"),
    ("time().second", "47"), ("(time()+3*TimeInterval_Day).weekday", "7"), ("time().hour>=8&&time().hour<20", "1"),
    ('time("2016")', "2016-01-01T00:00:00.000Z"), ('time("2016-02")', "2016-02-01T00:00:00.000Z"),
    ('time("2016-02-29")', "2016-02-29T00:00:00.000Z"), ('time("2016-02-29T12:30Z")', "2016-02-29T12:30:00.000Z"),
    ('time("2016-02-29T12:30+02:00")', "2016-02-29T10:30:00.000Z"), ('time("1994-11-05T08:15:30-05:00")',
    "1994-11-05T13:15:30.000Z"),
    ('time("2023-04-14T10:11:12.1234567Z")', "2023-04-14T10:11:12.123Z"),
    ('time("2023-04-14T10:11:12.1234567Z")-time("2023-04-14T10:11:12Z")', "00:00:00.1234567"),
    ('time("Sun, 06 Nov 1994 08:49:37 GMT")', "1994-11-06T08:49:37.000Z"),
    # Functions of all elements.
    ("avg(1,2,6)", "3"), ("avg([1,2],6)", "3"), ("avg()", "nan"), ("len([1,2],3)", "3"), ("len()", "0"),
    ("max(1,[5,2])", "5"),
    ("max()", "nan"), ("min(3,[5,2])", "2"), ("norm(3,4)", "5"), ("norm()", "0"), ("range(2,[9,4])", "7"), ("range(5)",
    "0"),
    ("std(2,4,4,4,5,5,7,9)", "2.13809"), ("std(1)", "nan"), ("sum(1,[2,3])", "6"), ("sum()", "0"), ("sum(1/0,-1/0)",
    "nan"),
    # Functions of each.
    ("lg(8)", "3"), ("lg([8,2])", "[3,1]"), ("lg(8,2)", "[3,1]"), ("lg(vec(8))", "[3]"), ("ln(1)", "0"), ("ln([1])",
    "[0]"),
    ("log(1000)", "3"), ("log(0)", "-inf"), ("log(-1)", "nan"), ("ceil(1.2)", "2"), ("ceil(-1.2)", "-1"),
    ("ceil([1.2,3])", "[2,3]"),
    ("floor(1.8)", "1"), ("floor(-1.2)", "-2"), ("floor(1/0)", "inf"), ("round(2.5)", "3"), ("round(-2.5)", "-3"),
    ("round(2.4)", "2"), ("round(0.49999999999999994)", "0"), ("round([1.5,0/0])", "[2,nan]"),
    # The others.
    ("percentile([1,2,3,4],50)", "2"), ("percentile([4,1,3,2],51)", "3"), ("percentile([1,2],0)", "1"),
    ("percentile([1,2],100)", "2"), ("percentile([],50)", "nan"), ("val([7,8,9],0)", "7"), ("val([7,8,9],2.9)", "9"),
    ("rand()", "0.25"),
    # Service variables that can be written can be read.
    ("$TargetDedicatedNodes", "2"), ("$TargetDedicated*4", "8"), ("$TargetLowPriorityNodes", "1"),
    ("$TargetLowPriority", "1"),
    ("$NodeDeallocationOption", "requeue"), ("taskcompletion", "taskcompletion"),
]  # fmt: skip


@pytest.mark.parametrize(("expression", "printed"), VALUES, ids=[expression for expression, _ in VALUES])
def test_an_expression_is_worth(expression: str, printed: str):
    assert variables(f"x={expression}") == f"x={printed}"


FAULTS = [
    # What the table of operations does not have.
    ("1+time()", 2, "There is no operation double + timestamp."),
    ("time()-TimeInterval_Hour", 7, "There is no operation timestamp - timeinterval."),
    ("1+[2]", 2, "There is no operation double + doubleVec."),
    ('"a"+"b"', 4, "There is no operation string + string."),
    ("[1]>0", 4, "There is no operation doubleVec > double."),
    ("-[1]", 1, "There is no operation - doubleVec."),
    ("!TimeInterval_Hour", 1, "There is no operation ! timeinterval."),
    ("TimeInterval_Hour*TimeInterval_Hour", 18, "There is no operation timeinterval * timeinterval."),
    ("requeue==terminate", 8, "There is no operation deallocation option == deallocation option."),
    ("[1,2]+[1]", 6, "The vectors have 2 and 1 elements."),
    ('"a"&&1', 4, "A double is wanted, not a string."), ("[1]?1:2", 4, "A double is wanted, not a doubleVec."),
    ("0||time()", 2, "A double is wanted, not a timestamp."),
    # Names, members, functions, methods.
    ("nobody", 1, "'nobody' is not defined."), ("$nobody+1", 1, "'$nobody' is not defined."),
    ("timeInterval_Hour", 1, "'timeInterval_Hour' is not defined."),
    ("time().millisecond", 8, "A timestamp has no member 'millisecond'."),
    ("TimeInterval_Hour.hour", 19, "A timeinterval has no member 'hour'."),
    ("nothing(1)", 8, "There is no function 'nothing' with these arguments."),
    ("stop(1)", 5, "There is no function 'stop' with these arguments."),
    ("(1).Count()", 10, "A double has no method 'Count'."),
    ("$PendingTasks.Sum()", 18, "A metric has no method 'Sum'."),
    # Arguments.
    ("lg()", 3, "The wrong number of arguments."), ("rand(1)", 5, "The wrong number of arguments."),
    ("val([1])", 4, "The wrong number of arguments."), ("percentile(1,2)", 11, "A doubleVec is wanted, not a double."),
    ("percentile([1],[2])", 11, "A double is wanted, not a doubleVec."),
    ("percentile([1],101)", 11, "A percentile is from 0 to 100."), ("val(1,0)", 4,
    "A doubleVec is wanted, not a double."),
    ("val([1,2],2)", 4, "The vector has 2 elements, and none at 2."), ("val([1,2],-1)", 4,
    "The vector has 2 elements, and none at -1."),
    ("val([1],0/0)", 4, "The vector has 1 elements, and none at nan."), ("time(1)", 5,
    "A string is wanted, not a double."),
    ("avg(time())", 4, "Doubles and doubleVecs are wanted, not a timestamp."),
    ('[1,"a"]', 1, "Doubles and doubleVecs are wanted, not a string."), ("max(requeue)", 4,
    "Doubles and doubleVecs are wanted, not a deallocation option."),
    # Times that no clock shows.
    *[(f'time("{text}")', 5, f"'{text}' is no date of W3C-DTF or RFC 1123.") for text in (
        "yesterday", "2016-13", "2016-02-30", "2016-02-29T25:00Z", "2016-02-29T12:30", "2023-04-14T10:11:12.123456789Z",
        "Sun, 06 Foo 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 CET", "0000", "0001-01-01T00:00+05:00")],
    ("time()+TimeInterval_Year*9000", 7, "The timestamp is not between the years 1 and 9999."),
    ("TimeInterval_Year*1e30", 18, "The timeinterval is too long."), ("TimeInterval_Year/0", 18,
    "The timeinterval is too long."),
    ("TimeInterval_Zero*(0/0)", 18, "The timeinterval is too long."),
]  # fmt: skip


@pytest.mark.parametrize(("expression", "column", "reason"), FAULTS, ids=[expression for expression, *_ in FAULTS])
def test_an_expression_is_refused(expression: str, column: int, reason: str):
    """An operator's fault stands where the operator does, a call's where its parenthesis opens."""
    assert complaint(f"x={expression}") == f"Line 1, Col {column + 2}: {reason}"
