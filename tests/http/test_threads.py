"""Few threads for calls that keep a processor busy."""

from __future__ import annotations

import asyncio
import os
import threading

from linarite.http.threads import Few

COUNT = max(2, os.cpu_count() or 1)


def test_few_threads_do_all_calls_and_tell_when_one_waits():
    async def go() -> None:
        few, begun, go_on = Few("few"), threading.Semaphore(0), threading.Event()

        def call(number: int) -> tuple[int, str]:
            begun.release()
            go_on.wait()
            return number, threading.current_thread().name

        work = [asyncio.ensure_future(few.do(call, number)) for number in range(COUNT)]
        for _ in range(COUNT):
            await asyncio.to_thread(begun.acquire)
        assert not few.are_wanted
        work += [asyncio.ensure_future(few.do(call, number)) for number in range(COUNT, 3 * COUNT)]
        await asyncio.sleep(0)
        assert few.are_wanted
        go_on.set()
        done = await asyncio.gather(*work)
        assert [number for number, _ in done] == list(range(3 * COUNT))
        assert len({name for _, name in done}) == COUNT
        assert not few.are_wanted

    asyncio.run(go())


def test_call_that_is_given_up_counts_until_it_is_over():
    async def go() -> None:
        few, go_on = Few("few"), threading.Event()
        work = asyncio.ensure_future(few.do(go_on.wait))
        await asyncio.sleep(0.01)
        work.cancel()
        await asyncio.sleep(0.01)
        assert not work.done()
        go_on.set()
        await asyncio.wait([work])
        assert work.cancelled()

    asyncio.run(go())
