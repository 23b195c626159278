"""The asyncio twin: that it drives the same conversations, and lets its loop go on meanwhile."""

from __future__ import annotations

import asyncio
import time

import numpy as np
import pytest

import rheostat
from rheostat import aiosender, client, errors, sender, wire


def test_the_twin_has_every_public_method_of_the_sync_client() -> None:
    twins = (client.Rig, rheostat.aio.Rig), (client.Job, rheostat.aio.Job), (sender.Plans, aiosender.Plans)
    for ours, twin in twins:
        public = {name for name in dir(ours) if not name.startswith("_")}
        assert public == {name for name in dir(twin) if not name.startswith("_")}


def test_a_program_job_keeps_shapes(stand_in) -> None:
    async def main(address: str) -> None:
        async with await rheostat.aio.connect(address) as rig:
            job = await rig.program(np.full((2, 2), 800.0), tolerance=0.2)
            result = await job.result()
            assert result.achieved.shape == (2, 2)
            assert result.outcomes() == {"verified": 3, "not_converged": 1}

    asyncio.run(main(stand_in().address))


def test_a_connection_is_awaited_or_used_as_a_context_manager_at_once(stand_in) -> None:
    async def main(address: str) -> None:
        async with rheostat.aio.connect(address) as rig:
            assert (await rig.status()).bench == "stand-in"
        with pytest.raises(errors.DaemonUnavailable, match="was closed"):
            await rig.status()
        other = await rheostat.aio.connect(address)
        assert (await other.status()).bench == "stand-in"
        await other.close()

    asyncio.run(main(stand_in().address))


def test_many_jobs_are_waited_for_at_once(stand_in) -> None:
    async def main(address: str) -> float:
        async with await rheostat.aio.connect(address) as rig:
            jobs = [await rig.program([800.0], "A1", tolerance=0.2) for _ in range(10)]
            before = time.monotonic()
            ended = await asyncio.gather(*(job.wait() for job in jobs))
            assert all(job.state is wire.JobState.DONE for job in ended)
            return time.monotonic() - before

    assert asyncio.run(main(stand_in(takes=0.5).address)) < 2


def test_nobody_there_is_said_at_once() -> None:
    with pytest.raises(errors.DaemonUnavailable, match=r"no daemon answers at tcp://127\.0\.0\.1:1 "):
        asyncio.run(rheostat.aio.connect("127.0.0.1:1"))


def test_a_daemon_that_goes_away_is_told(stand_in) -> None:
    async def main() -> None:
        daemon = stand_in(takes=60)
        async with await rheostat.aio.connect(daemon.address, reconnect=0.3) as rig:
            job = await rig.program([800.0], "A1", tolerance=0.2)
            waiting = asyncio.create_task(job.wait())
            await asyncio.sleep(0.2)
            await asyncio.to_thread(daemon.close)
            with pytest.raises(errors.DaemonUnavailable, match=f"waiting for job {job.id}"):
                await waiting

    asyncio.run(main())


def test_events_are_followed_to_the_end(stand_in) -> None:
    async def main() -> list[str]:
        daemon = stand_in(takes=60)
        async with await rheostat.aio.connect(daemon.address) as rig:
            job = await rig.program([800.0], "A1", tolerance=0.2)

            async def happen() -> None:
                await asyncio.sleep(0.2)
                for name in ("job.started", "job.progress", "job.finished"):
                    daemon.publish(name, job.id, lost=name == "job.started")

            task = asyncio.create_task(happen())
            names = [event.name async for event in job.follow()]
            await task
            return names

    assert asyncio.run(main()) == ["job.started", "job.progress", "job.finished"]


def test_measuring_jobs_are_planned_sent_and_repeated(stand_in) -> None:
    async def main(address: str) -> None:
        async with rheostat.aio.connect(address) as rig:
            assert (await rig.plans.staircase("A1", cycles=2)).total == 7
            assert await rig.jobs() == ()
            job = await rig.staircase("A1", cycles=2)
            result = await job.result()
            assert len(result.sweeps("A1", -1)) == 2
            again = await rig.repeat(job, wait=True)
            assert (await again.result()).counts.shape == (1, 2, 2)
            for sent in (
                await rig.iv_loops("A1", 3.0, loops=1),
                await rig.identical_pulses("A1", [1.0], repetitions=1),
                await rig.retention("A1", [10.0]),
                await rig.check_table("A1"),
            ):
                assert (await sent.result()).devices == ("A1",)

    asyncio.run(main(stand_in().address))
