"""What users are to be told: noted once, claimed by one, kept until it was sent."""

from __future__ import annotations

from pathlib import Path

from tests.engine.world import ACCOUNT, SECOND, World, play

from linarite.engine import jobs, notices
from linarite.engine.model import Notify


def test_notice_is_claimed_by_one_and_kept_until_it_was_sent(tmp_path: Path):
    """A claim lapses after a quarter of an hour, longer than any sending takes: whoever made it may have died."""

    async def story(world: World) -> None:
        await world.pool()
        await world.job(notify=Notify(address="a@b.example", on_start=True))
        await world.tasks("1", "2")
        await world.run_all()
        first = await world.do(notices.claim)
        assert [(one["what"], one["to"], one["job"]) for one in first.values()] == [("started", "a@b.example", "job")]
        world.now += 899 * SECOND
        assert await world.do(notices.claim) == {}
        world.now += 2 * SECOND
        again = await world.do(notices.claim)
        assert again.keys() == first.keys()
        await world.do(notices.sent, next(iter(again)))
        world.now += 901 * SECOND
        assert await world.do(notices.claim) == {}

    play(tmp_path, story)


def test_notices_are_claimed_a_few_at_a_time_and_tried_again_a_minute_after_they_failed(tmp_path: Path):
    """A slow server of mail keeps no notice claimed for longer than it takes; one that is away is asked again."""

    async def story(world: World) -> None:
        for number in range(7):
            await world.job(f"job-{number}", notify=Notify(address="a@b.example", on_completion=True))
            await world.do(jobs.terminate, ACCOUNT, f"job-{number}", "enough")
        first, second = await world.do(notices.claim), await world.do(notices.claim)
        assert (len(first), len(second), len({*first, *second})) == (5, 2, 7)
        name, notice = next(iter(first.items()))
        await world.do(notices.later, name, notice)
        assert await world.do(notices.claim) == {}
        world.now += 61 * SECOND
        assert [*await world.do(notices.claim)] == [name]

    play(tmp_path, story)


def test_notice_of_the_end(tmp_path: Path):
    """With why, also of a job that never began; nobody is told of what they did not ask for."""

    async def story(world: World) -> None:
        await world.job(notify=Notify(address="a@b.example", on_completion=True))
        await world.job("quiet")
        for name in ("job", "quiet"):
            await world.do(jobs.terminate, ACCOUNT, name, "enough")
        [notice] = (await world.do(notices.claim)).values()
        assert (notice["what"], notice["why"], notice["number"]) == ("ended", "enough", 1)

    play(tmp_path, story)


def test_notice_lapses_after_a_day(tmp_path: Path):
    async def story(world: World) -> None:
        await world.job(notify=Notify(address="a@b.example", on_completion=True))
        await world.do(jobs.terminate, ACCOUNT, "job", "enough")
        world.now += 25 * 3600 * SECOND
        assert await world.do(notices.claim) == {}

    play(tmp_path, story)
