"""Put what is missing into new batches, so that no request is ever in two, wherever the process dies."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from filelock import FileLock, Timeout

from cotdistill.dispatch.asking import Asked, Job, stop_if_only_pages
from cotdistill.dispatch.errors import FailedRequestError, NotAskedError
from cotdistill.errors import CotDistillError, UsageError
from cotdistill.providers.batch_api import FoundBatch
from cotdistill.providers.types import Failure
from cotdistill.stages.generate.batch.calls import NotFoundError
from cotdistill.stages.generate.batch.file import ShardFile
from cotdistill.stages.generate.batch.work import Work
from cotdistill.store.batches import Claim, Shard
from cotdistill.wording import counted

CANARIES = 3
"""Requests asked online before the first batch, as long as they are refused."""

CREATIONS = 5
"""Tries of making one batch; before each further one we looked and the last had made none."""

BREATHE_EVERY = 200
"""Requests between two looks at signals."""


@dataclass
class Submitter:
    work: Work
    _canary: bool = field(default=False, init=False)
    """Whether a request of this run was answered online."""
    _refused: int = field(default=0, init=False)

    async def submit_missing(self) -> None:
        """One walk through the plan. Afterwards `work.waiting` names the shards to collect, and `work.held_back`
        says why requests were left for later, if any were."""
        work = self.work
        work.held_back = None
        work.waiting.clear()
        path = work.plan.store.path.with_name(f"{work.plan.store.path.name}.batch")
        async with self._alone():
            for left in work.state.unsettled(work.endpoint):
                await self._settle(left)
            if work.budget.run:
                async for _ in self._missing():
                    pass  # it reserves what is under way, before anything new is
            try:
                await self._submit_jobs(path)
            finally:
                path.unlink(missing_ok=True)

    async def _submit_jobs(self, path: Path) -> None:
        work, file = self.work, None
        async for job in self._missing():
            if work.held_back:
                continue  # the rest of the walk only finds out what is waiting
            if not self._canary:
                await self._ask_online(job)
                continue
            worst_usd = work.budget.worst_case(job.request, batch=True)
            if not work.budget.fits(worst_usd + (file.worst_usd if file else 0)):
                work.held_back = "budget"
                continue
            body = work.plan.teacher.body(job.request)
            line = work.batches.line(_custom_id(file.shard if file else "cd0123456789", job), body)
            if file and (file.requests >= work.most_requests or file.size_with(line) > work.most_bytes):
                await self._submit(file)
                file = None
            if file is None:
                if work.one_at_a_time and work.waiting:
                    work.held_back = "queue"
                    continue
                file = ShardFile(work.state.begin(work.endpoint), path, work.batches.framing)
            custom_id = _custom_id(file.shard, job)
            work.state.claim(file.shard, custom_id, self._claim(job))
            file.add(work.batches.line(custom_id, body), worst_usd)
        if file:
            await self._submit(file)
        nothing = not (self._canary or work.asked.answered or work.waiting or work.held_back)
        if self._refused and nothing and not work.stored.terms.known:
            stop_if_only_pages(Asked(failures=work.problems))

    async def _missing(self) -> AsyncIterator[Job]:
        """Every request without an answer that is in no batch; those that are make their shards `waiting`."""
        work, seen = self.work, 0
        for jobs in work.plan.rest():
            for job, stored in work.plan.answered(jobs):
                seen += 1
                if seen % BREATHE_EVERY == 0:
                    await asyncio.sleep(0)  # signals are handled between two turns of the loop
                    if work.calls.stop.is_set():
                        raise NotAskedError
                if stored is not None or (job.key, job.sample) in work.given_up:
                    continue
                if shard := work.state.shard_of(job.key, job.sample):
                    self._wait_for(shard)
                else:
                    yield job

    def _wait_for(self, name: str) -> None:
        work = self.work
        if name in work.waiting or (shard := work.state.get(name)) is None or shard.batch is None:
            return  # known, or the one that is just being written
        work.waiting.add(name)
        work.budget.reserve(name, shard.worst_usd)

    async def _ask_online(self, job: Job) -> None:
        """One request at full price, so that a bad key, model or parameter shows now and not in a day."""
        work = self.work
        if not work.budget.fits(work.budget.worst_case(job.request, batch=False)):
            work.held_back = "budget"
            return
        try:
            reply = await work.stored.buy(job)
        except FailedRequestError as error:
            self._note_refusal(job, error.failure)
        else:
            work.count(reply, batch=False)
            self._canary = True

    def _note_refusal(self, job: Job, failure: Failure) -> None:
        work = self.work
        if failure.kind == "unreachable":
            raise CotDistillError(f"{failure.message}. Is the server running, and --base-url right?")
        work.problems[job.key, job.sample] = failure
        work.given_up.add((job.key, job.sample))
        self._refused += 1
        if self._refused == CANARIES:
            message = f"the first {CANARIES} requests were refused, so no batch was submitted: {failure.message}"
            raise replace(failure, message=message).fatal() if failure.from_page else CotDistillError(message)

    async def _submit(self, file: ShardFile) -> None:
        work, batches = self.work, self.work.batches
        work.state.save_claims()
        file.finish()
        try:
            uploaded = await work.calls.patiently("upload a batch", lambda: batches.upload(file.shard, file.path))
            batch = await self._create(file, uploaded)
        except NotFoundError as error:
            work.state.drop(file.shard)
            raise UsageError(f"--batch: {work.endpoint.base_url} has no Batch API: {error}") from None
        work.state.running(file.shard, batch.batch, certain=batch.certain)
        work.progress.note(f"batch {batch.batch}: {counted(file.requests, 'request')} submitted")
        self._wait_for(file.shard)

    async def _create(self, file: ShardFile, uploaded: str | None) -> FoundBatch:
        """Create the batch exactly once: after an error that leaves it open whether there is one, look."""
        work, batches = self.work, self.work.batches
        message = ""
        for _ in range(CREATIONS):
            newest = await work.calls.patiently("list batches", batches.newest)
            work.state.creating(file.shard, file.requests, file.worst_usd if work.budget.run else None, newest)
            try:
                return FoundBatch(await batches.create(file.shard, file.path, uploaded), certain=True)
            except Exception as error:  # the teacher knows its SDK's errors, and re-raises what is a bug
                failure = work.plan.teacher.classify(error)
                message = failure.message
                if failure.kind in ("row", "account"):
                    work.state.drop(file.shard)
                    raise _refusal(error, failure, file.requests) from None
            shard = work.state.get(file.shard)
            if shard and (found := await self._find(shard)):
                return found
        work.state.drop(file.shard)
        raise CotDistillError(f"no batch could be created: {message}. Nothing is lost; the same command continues")

    async def _settle(self, left: Shard) -> None:
        """What a process left behind that died before it knew its batch."""
        work = self.work
        found = await self._find(left) if left.state == "creating" else None
        if found is None:
            work.state.drop(left.name)
        else:
            work.state.running(left.name, found.batch, certain=found.certain)
            work.progress.note(f"batch {found.batch}: found at the provider, from a run that was cut off")

    async def _find(self, shard: Shard) -> FoundBatch | None:
        """The batch of a shard whose creation is in doubt. Looks twice: what was sent may still be on its way."""
        work = self.work

        async def look() -> FoundBatch | None:
            return await work.calls.patiently("list batches", lambda: work.batches.find(work.state.intent(shard)))

        if found := await look():
            return found
        work.progress.note(f"looking again in {work.pace.settle_s:.0f} s whether a batch was created")
        await work.calls.rest(work.pace.settle_s)
        return await look()

    def _claim(self, job: Job) -> Claim:
        return Claim(job.key, job.sample, job.family)

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        """One process at a time submits from a store; so whatever is unsettled was left by a dead one."""
        path = self.work.plan.store.path
        mode = path.stat().st_mode & 0o666  # whoever may use the store may use its lock
        lock = FileLock(path.with_name(f".{path.name}.batch.lock"), blocking=False, mode=mode)
        said = False
        while True:
            try:
                lock.acquire()
                break
            except Timeout:
                if not said:
                    self.work.progress.note(f"{path}: waiting for another run that submits batches")
                said = True
            await self.work.calls.rest(1.0)
        try:
            yield
        finally:
            lock.release()


def _custom_id(shard: str, job: Job) -> str:
    """At most 64 of letters, digits and hyphens, as both providers want it; 160 bits of the key tell requests apart."""
    return f"{shard}-{job.key.rpartition(':')[2][:40]}-{job.sample}"


def _refusal(error: Exception, failure: Failure, requests: int) -> CotDistillError:
    if getattr(error, "status_code", None) == 404:
        return NotFoundError(failure.message)
    if failure.kind == "account":
        return failure.fatal()
    message = f"the provider refused a batch of {counted(requests, 'request')}: {failure.message}"
    return replace(failure, message=message).fatal() if failure.from_page else CotDistillError(message)
